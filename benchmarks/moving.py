"""How long it takes to export and import a model as an archive, against `cp` and against BentoML; writes a table.

Each figure is the best of some runs, peers and Tiffin by turns, so that what else the machine does hits both. Limits:

- export and import of a tar take at most 1.5 times `cp` and the sha256 of the same bytes;
- export in the default format is at least 20 times faster than BentoML's default.

BentoML is installed into an environment of its own (benchmarks/.envs/bentoml); `--no-peer` leaves it out. Exits with 1
where a limit is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tiffin import models
from tiffin.store import ModelStore

ENVIRONMENT = Path(__file__).parent / ".envs" / "bentoml"
MIB = 1 << 20

PEER = """
import json, os, sys, time
os.environ.update(BENTOML_HOME=sys.argv[1], BENTOML_DO_NOT_TRACK="True")
import bentoml, numpy as np
with bentoml.models.create("weights") as model:
    np.save(model.path_of("weights.npy"), np.load(sys.argv[2]))
began = time.perf_counter()
path = bentoml.models.export_model(model.tag, sys.argv[1])
exported = time.perf_counter() - began
bentoml.models.delete(model.tag)
began = time.perf_counter()
bentoml.models.import_model(path)
print(json.dumps({"export": exported, "import": time.perf_counter() - began, "bytes": os.path.getsize(path)}))
"""


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def make_model(folder: Path, size: int) -> ModelStore:
    """Save one version of `size` bytes of float32, normally distributed as weights are."""
    store = ModelStore(folder / "store")
    random = np.random.default_rng(7)
    with models.create("weights:v1", store=store) as new, (new.path / "weights.npy").open("wb") as file:
        for _ in range(size // (16 * MIB)):
            file.write(random.standard_normal(4 * MIB, dtype=np.float32).tobytes())
    return store


def hash_file(path: Path) -> None:
    """Read and hash a file as a program does that does one thing after the other."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(MIB):
            digest.update(piece)


def measure_tar(folder: Path, size: int, runs: int) -> dict[str, float]:
    """Return the best seconds of each, at one size."""
    store = make_model(folder, size)
    source = store.get("weights:v1").path / "weights.npy"
    archive, copy = folder / "x.tar", folder / "copy"
    best: dict[str, float] = {}

    def note(name: str, action: Callable[[], object]) -> None:
        best[name] = min(best.get(name, 1e9), timed(action))

    for _ in range(runs):
        note("cp", lambda: subprocess.run(["cp", source, copy], check=True))
        note("sync of the copy", lambda: subprocess.run(["sync", copy], check=True))
        note("sha256", lambda: hash_file(copy))
        copy.unlink()
        note("export", lambda: models.export_model("weights:v1", archive, store=store, force=True))
        note("import", lambda: models.import_model(archive, store=ModelStore(folder / "other")))
        shutil.rmtree(folder / "other")
        archive.unlink()
    return best


def measure_default(folder: Path, size: int, peer: bool) -> dict[str, dict[str, float]]:
    """Return seconds and bytes of Tiffin's and BentoML's default formats."""
    store = make_model(folder, size)
    archive = folder / "x.tiffin"
    found = {
        "Tiffin": {
            "export": min(
                timed(lambda: models.export_model("weights:v1", archive, store=store, force=True)) for _ in range(3)
            ),
            "import": timed(lambda: models.import_model(archive, store=ModelStore(folder / "other"))),
            "bytes": archive.stat().st_size,
        }
    }
    if peer:
        weights = folder / "weights.npy"
        np.save(weights, np.fromfile(store.get("weights:v1").path / "weights.npy", np.float32))
        command: list[str | Path] = [bentoml_python(), "-c", PEER, folder, weights]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found["BentoML"] = json.loads(done.stdout.splitlines()[-1])
    return found


def bentoml_python() -> Path:
    """Return the Python of an environment with BentoML, made if need be."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "stamp").exists():
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        subprocess.run([*pip, "bentoml>=1.4,<2", "numpy"], check=True)
        (ENVIRONMENT / "stamp").touch()
    return python


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the model that is moved as tar")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-peer", action="store_true", help="leave BentoML out")
    parser.add_argument("--folder", help="where to work; default: the system's folder for temporary files")
    options = parser.parse_args()
    broken = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        best = measure_tar(Path(folder), options.size * MIB, options.runs)
    limit = 1.5 * (best["cp"] + best["sha256"])
    print(f"| {options.size} MiB as tar | seconds |\n|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.2f} |")
    print(f"| limit: 1.5 * (cp + sha256) | {limit:.2f} |")
    broken += [f"{name} took {best[name]:.2f} s" for name in ("export", "import") if best[name] > limit]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure_default(Path(folder), 64 * MIB, not options.no_peer)
    print("\n| 64 MiB, default format | export s | import s | MiB |\n|---|---|---|---|")
    for name, row in found.items():
        print(f"| {name} | {row['export']:.2f} | {row['import']:.2f} | {row['bytes'] / MIB:.1f} |")
    if "BentoML" in found:
        times = found["BentoML"]["export"] / found["Tiffin"]["export"]
        print(f"\nExport is {times:.0f} times faster than BentoML's (limit: 20)")
        broken += [f"export is only {times:.1f} times faster"] if times < 20 else []
    for line in broken:
        print(f"Limit broken: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    os.environ.setdefault("TIFFIN_HOME", os.devnull)
    sys.exit(main())

"""How fast models go to and come from a container registry on loopback, against `skopeo copy` of the same blob.

Both push to and pull from a docker-registry with nothing in it, by turns, so that what else the machine does hits both; the
best of some runs counts. skopeo copies from and to an OCI layout, Tiffin pushes from and pulls into a store; both compare
all digests. Limits:

- Tiffin reaches at least 70 % of skopeo's rate, each way;
- of a second version in which one of ten arrays changed at most 11 % are sent.

Exits with 1 where a limit is broken. Needs docker-registry and skopeo.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
from registries import open_registry  # the path is set for it
from servers import program
from tiffin import models
from tiffin.store import ModelStore

MIB = 1 << 20
RATE = 0.7
"""The share of skopeo's rate that has to be reached."""
SHARE = 0.11
"""The share of a version's bytes that may travel where a tenth has changed."""


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def make_model(folder: Path, size: int) -> ModelStore:
    """Save one version of one file of random bytes."""
    store = ModelStore(folder / "store")
    random = np.random.default_rng(7)
    with models.create("weights:v1", store=store) as new, (new.path / "weights.bin").open("wb") as target:
        for _ in range(size // MIB):
            target.write(random.bytes(MIB))
    return store


def make_layout(folder: Path, blob: Path) -> None:
    """Make an OCI layout of an artifact with one layer: a link to the model's file."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    with blob.open("rb") as source:
        digest = hashlib.sha256()
        while piece := source.read(MIB):
            digest.update(piece)
    (blobs / digest.hexdigest()).hardlink_to(blob)

    def put(data: dict[str, object]) -> dict[str, object]:
        text = json.dumps(data).encode()
        name = hashlib.sha256(text).hexdigest()
        (blobs / name).write_bytes(text)
        return {"digest": f"sha256:{name}", "size": len(text)}

    media_type = "application/vnd.oci.image.manifest.v1+json"
    weights = {"mediaType": "application/vnd.cncf.model.weight.v1.raw", "digest": f"sha256:{digest.hexdigest()}"}
    config = {"mediaType": "application/vnd.cncf.model.config.v1+json", **put({})}
    layers = [{**weights, "size": blob.stat().st_size}]
    manifest = put({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers})
    named = {"mediaType": media_type, **manifest, "annotations": {"org.opencontainers.image.ref.name": "v1"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")


def measure_rates(folder: Path, size: int, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run, by what was done."""
    skopeo = program("skopeo", "on Debian: apt-get install skopeo")
    store = make_model(folder, size)
    layout = folder / "layout"
    make_layout(layout, store.get("weights:v1").path / "weights.bin")
    times: dict[str, list[float]] = {"push": [], "skopeo push": [], "pull": [], "skopeo pull": []}

    def copy(source: str, target: str) -> None:
        command = [skopeo, "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", source, target]
        subprocess.run(command, check=True)

    def push_and_pull(place: Path, peer: bool) -> None:
        with open_registry(place) as registry:
            os.sync()  # what the last run has left to write must not be paid for by this one
            if peer:
                image = f"docker://{registry.host}/bench/weights:v1"
                times["skopeo push"].append(timed(lambda: copy(f"oci:{layout}:v1", image)))
                os.sync()
                times["skopeo pull"].append(timed(lambda: copy(image, f"oci:{place}/copy:v1")))
            else:
                url = f"oci://{registry.host}/bench"
                times["push"].append(timed(lambda: models.push("weights:v1", url, store=store)))
                os.sync()
                other = ModelStore(place / "other")
                times["pull"].append(timed(lambda: models.pull("weights:v1", url, store=other)))

    for number in range(runs):
        for peer in (False, True) if number % 2 else (True, False):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                push_and_pull(Path(place), peer)
    return times


def measure_second(folder: Path) -> float:
    """Return the share of a version's bytes that travel where one of ten arrays changed."""
    store = ModelStore(folder / "arrays")
    random = np.random.default_rng(7)
    arrays = [random.standard_normal(1 << 18, np.float32) for _ in range(10)]
    folder.joinpath("registry").mkdir()
    with open_registry(folder / "registry") as registry:
        for version in ("v1", "v2"):
            with models.create(f"arrays:{version}", store=store) as new:
                for number, array in enumerate(arrays):
                    np.save(new.path / f"array-{number}.npy", array)
            pushed = models.push(f"arrays:{version}", f"oci://{registry.host}/bench", store=store)
            arrays[3] = arrays[3] + 1
    return pushed.sent / pushed.total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the blob")
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--folder", help="where to work; default: the system's folder for temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        times = measure_rates(Path(folder), options.size * MIB, options.runs)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        share = measure_second(Path(folder))
    print(
        f"| {options.size} MiB | seconds, best | all runs | MiB/s | of skopeo's rate | limit |\n|---|---|---|---|---|---|"
    )
    broken = []
    for way in ("push", "pull"):
        ours, theirs = min(times[way]), min(times[f"skopeo {way}"])
        for name, best in ((way, ours), (f"skopeo {way}", theirs)):
            every = ", ".join(f"{seconds:.2f}" for seconds in times[name])
            rate = f"{theirs / ours:.0%} | {RATE:.0%}" if name == way else " | "
            print(f"| {name} | {best:.2f} | {every} | {options.size / best:.0f} | {rate} |")
        broken += [f"{way} reaches {theirs / ours:.0%} of skopeo's rate"] if theirs / ours < RATE else []
    print(f"\nA second version in which one of ten arrays changed: {share:.1%} sent (limit: {SHARE:.0%})")
    broken += [f"{share:.1%} of a second version were sent"] if share > SHARE else []
    for line in broken:
        print(f"Limit broken: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    os.environ.setdefault("TIFFIN_HOME", os.devnull)
    sys.exit(main())

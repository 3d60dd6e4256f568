"""Print what Tiffin and picklescan say of each hostile file of the tests, side by side.

Run: python benchmarks/hostile_pickles.py [--no-peer]

The files are those of tests/inspection/hostile.py; none is loaded. picklescan is installed into an environment of its own
(benchmarks/.envs/picklescan). A file counts as missed where the tool reports neither an import that is not harmless nor a
problem. Exits with 1 where Tiffin misses one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from tiffin.building import as_name, core_lists
from tiffin.inspection import inspect_file

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".envs" / "picklescan"
PEER = """
import json, sys
from picklescan.scanner import scan_file_path
answers = {}
for path in sys.argv[1:]:
    try:
        found = scan_file_path(path)
        bad = [f"{g.module}.{g.name}" for g in found.globals if g.safety.value == "dangerous"]
        answers[path] = {"dangerous": bad, "error": bool(found.scan_err), "issues": found.issues_count}
    except Exception as error:
        answers[path] = {"dangerous": [], "error": True, "issues": 0, "raised": type(error).__name__}
print(json.dumps(answers))
"""
NOT_HOSTILE = {"deep tuples, which are fine", "billion laughs", "billion laughs by the memo", "long line"}
ENDINGS = ((b"PK", ".zip"), (b"\x93NUMPY", ".npy"))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--no-peer", action="store_true", help="leave picklescan out")
    options = parser.parse_args()
    samples = [sample for sample in corpus() if sample.name not in NOT_HOSTILE]
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, sample in enumerate(samples):
            ending = next((ending for start, ending in ENDINGS if sample.data.startswith(start)), ".pkl")
            path = Path(folder, f"{number:03}{ending}")
            path.write_bytes(sample.data)
            paths.append(path)
        peer = {} if options.no_peer else ask_peer(paths)
        ours = [opinion(path) for path in paths]
    theirs = [peer_opinion(peer.get(str(path))) for path in paths]
    width = max(len(sample.name) for sample in samples)
    print(f"{'file':<{width}}  {'Tiffin':<58}  picklescan")
    for sample, own, other in zip(samples, ours, theirs, strict=True):
        print(f"{sample.name:<{width}}  {own or 'MISSED':<58.58}  {other or 'missed'}")
    missed = [sample.name for sample, own in zip(samples, ours, strict=True) if not own]
    print(f"\n{len(samples)} files; Tiffin missed {len(missed)}", end="")
    print("" if options.no_peer else f", picklescan {sum(not other for other in theirs)}")
    return 1 if missed else 0


def corpus() -> list[Any]:
    """Return the samples of the tests."""
    place = ROOT.parent / "tests" / "inspection" / "hostile.py"
    spec = importlib.util.spec_from_file_location("hostile", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [*module.plain(), *module.bombs(), *module.of_joblib(), *module.of_archives()]


def opinion(path: Path) -> str:
    """Return what Tiffin finds in a file, empty where nothing speaks against it."""
    found = inspect_file(path)
    names = [name for name in found.names if not core_lists().knows(as_name(name))]
    return ", ".join(names) or (found.problems[0] if found.problems else "")


def ask_peer(paths: list[Path]) -> dict[str, Any]:
    """Return picklescan's answers by path."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "picklescan", "numpy"], check=True)
    result = subprocess.run([python, "-c", PEER, *map(str, paths)], capture_output=True, text=True, check=True)
    answers: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return answers


def peer_opinion(answer: dict[str, Any] | None) -> str:
    """Return what picklescan finds in a file, empty where nothing speaks against it."""
    if answer is None:
        return ""
    return ", ".join(answer["dangerous"]) or ("cannot be read" if answer["error"] else "")


if __name__ == "__main__":
    sys.exit(main())

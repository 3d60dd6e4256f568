"""Measure how long it takes to find out what a pickled forest says, to build it, and what trust costs a load.

Run: python benchmarks/inspecting.py [--rounds 5]

Needs scikit-learn, its adapter and joblib. Limits: a forest of 5.8 MB is inspected in 0.1 s; inspected, judged and built
in 1.5 times what joblib takes to load it, of the processor's time and by turns; 1 GiB of arrays from elsewhere, which
may be built, in 5 ms; a load of a small model that was saved here takes 0.7 ms in all, the first one of a process 60 ms
beyond `import numpy`. Times are the best of the rounds; exits with 1 where a limit is broken.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tiffin.building import build, judge
from tiffin.inspection import Reader, inspect_file
from tiffin.models import export_model, import_model
from tiffin.store import ModelStore
from tiffin.trust import check, lists


def main() -> int:
    """Print the times beside their limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    broken = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forest = RandomForestClassifier(100, random_state=0).fit(*load_digits(return_X_y=True))
        path = folder / "forest.pkl"
        path.write_bytes(pickle.dumps(forest, 5))
        broken += show(
            f"inspect a pickled forest, {size(path)}", best(lambda: inspect_file(path, "pickle"), rounds), 0.1
        )
        for compress in (0, ("zlib", 3), ("xz", 3)):
            packed = folder / "forest.joblib"
            joblib.dump(forest, packed, compress=compress)
            what = f"the same by joblib, {compress[0] if compress else 'not compressed'}, {size(packed)}"
            show(what, best(lambda packed=packed: inspect_file(packed, "joblib"), rounds))
        joblib.dump(forest, folder / "whole.joblib")
        loads, builds = by_turns(
            lambda: joblib.load(folder / "whole.joblib"), lambda: built(folder / "whole.joblib", "joblib"), 4 * rounds
        )
        show("joblib.load of the same", loads)
        broken += show("inspect, judge and build the same", builds, 1.5 * loads)
        elsewhere, here = ModelStore(folder / "elsewhere"), ModelStore(folder / "here")
        sent = elsewhere.save("arrays", [np.zeros(1 << 26) for _ in range(2)], framework="picklable", signatures={})
        arrays = import_model(export_model(sent.tag, folder / "arrays.tar", store=elsewhere), store=here)
        broken += show("load 1 GiB of arrays from elsewhere", best(arrays.load, rounds), 5e-3)
        store = ModelStore(folder / "store")
        saved = store.save("small", LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True)))
        broken += show(
            "load a small model that was saved here", best(lambda: store.get(saved.tag).load(), 200 * rounds), 7e-4
        )
        show("of that, the check of trust", best(lambda: check(store, saved.path, saved.info), 200 * rounds))
        store.save("first", {"a": 1}, framework="picklable", signatures={})
        broken += show("the first load of a process, beyond importing numpy", first_load(store, 4 * rounds), 0.06)
    return 1 if broken else 0


def built(path: Path, reader: Reader) -> object:
    """Return what core builds of a file, verdict included."""
    found = inspect_file(path, reader)
    assert found.tape is not None
    assert judge(found.tape, lists()) == ((), ())
    return build(found.tape, lists())


def first_load(store: ModelStore, rounds: int) -> float:
    """Return the seconds of the fastest first load in a process of its own, which wrote its bytecode before."""
    program = "\n".join(
        (
            "import time, numpy",
            "began = time.perf_counter()",
            "import tiffin",
            "tiffin.load('first')",
            "print(time.perf_counter() - began)",
        )
    )
    environment = {**os.environ, "TIFFIN_HOME": str(store.path.parent), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", program]
    return min(
        float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout) for _ in range(rounds)
    )


def best(action: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the fastest of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def by_turns(one: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the processor's seconds of the fastest of some rounds of each, which other programs disturb least."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for action, taken in zip((one, other), times, strict=True):
            began = time.process_time()
            action()
            taken.append(time.process_time() - began)
    return min(times[0]), min(times[1])


def show(what: str, seconds: float, limit: float | None = None) -> int:
    """Print a time, and return 1 where it breaks its limit."""
    beyond = limit is not None and seconds > limit
    note = "" if limit is None else f"  (limit {limit * 1000:g} ms{', BROKEN' if beyond else ''})"
    print(f"{what:<60} {seconds * 1000:8.3f} ms{note}")
    return int(beyond)


def size(path: Path) -> str:
    """Return a file's size in MB."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())

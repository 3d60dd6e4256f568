"""Measure how long it takes to find out what a pickled forest would import, and what trust costs a load.

Run: python benchmarks/inspecting.py [--rounds 5]

Needs scikit-learn and joblib. Limits: a forest of 5 MB is inspected in 0.1 s; a load of a small model that was saved here
takes 0.7 ms in all. Times are the best of the rounds; exits with 1 where a limit is broken.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from tiffin.inspection import inspect_file
from tiffin.store import ModelStore
from tiffin.trust import check


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
        store = ModelStore(folder / "store")
        saved = store.save("small", LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True)))
        broken += show(
            "load a small model that was saved here", best(lambda: store.get(saved.tag).load(), 200 * rounds), 7e-4
        )
        show("of that, the check of trust", best(lambda: check(store, saved.path, saved.info), 200 * rounds))
    return 1 if broken else 0


def best(action: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the fastest of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


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

"""State how many of scikit-learn's estimators are built from a stranger's file, and answer as they did.

Run: python tools/building_coverage.py [--only NAME]

Every estimator of `all_estimators()` is fitted on small data and written by Tiffin, joblib, cloudpickle, pickle's protocol
2 and skops. Each file is read, judged and built as of a model from elsewhere. What was built is compared with what unpickling
gives, attribute by attribute and bit by bit; skops' own constructor may choose other integers for sparse indexes, so its
files count by their answers. Prints what fails, and the shares for docs/explanation/trust.md; exits with 1 where one fails.
"""

from __future__ import annotations

import argparse
import collections
import pickle
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import cloudpickle  # type: ignore[import-untyped]
import joblib
import numpy as np

from same_object import difference
from tiffin import pickling
from tiffin.building import build
from tiffin.inspection import Unfollowable
from tiffin.trust._reading import inspect, judge_inspection, lists

METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples", "kneighbors")


def main() -> int:
    """Fit, write, build and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help="an estimator's name")
    only = parser.parse_args().only
    tried: collections.Counter[str] = collections.Counter()
    right: collections.Counter[str] = collections.Counter()
    warnings.simplefilter("ignore")
    for name, estimator, inputs in fitted(only):
        with tempfile.TemporaryDirectory() as folder:
            for writer, path in write(estimator, Path(folder)):
                tried[writer] += 1
                problem = compare(path, writer, estimator, inputs)
                right[writer] += not problem
                if problem:
                    print(f"{name}, written by {writer}: {problem}")
    for writer in tried:
        print(f"{writer}: {right[writer]} of {tried[writer]} built, equal, and with the same answers")
    return 0 if right == tried else 1


def fitted(only: str | None = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield each estimator's name, the fitted estimator, and inputs for it."""
    from sklearn.utils import all_estimators
    from sklearn.utils._test_common.instance_generator import _construct_instances

    random = np.random.RandomState(0)
    numbers = np.abs(random.normal(size=(40, 4))) + 0.1
    classes = np.arange(40) % 2
    inputs = (numbers, numbers[:, 0], ["cat dog", "dog owl"] * 20, [{"a": 1, "b": 2.0}, {"a": 2}] * 20,
              [("a",), ("b", "c")] * 20, numbers.reshape(5, 4, 8), list("ab") * 20)  # fmt: skip
    targets = (classes, numbers[:, 0], numbers[:, :2], np.c_[classes, 1 - classes], None)
    for name, kind in all_estimators():
        if only not in (None, name):
            continue
        try:
            made = list(_construct_instances(kind))[:1]
        except (TypeError, ValueError, ImportError, SkipTest) as error:
            print(f"not made: {name}: {error}")
            continue
        for estimator in made:
            for data, target in ((data, target) for data in inputs for target in targets):
                try:
                    estimator.fit(data) if target is None else estimator.fit(data, target)
                # Most pairs do not fit each other; whatever an estimator says to them does not matter here.
                except Exception:  # noqa: BLE001
                    continue
                yield name, estimator, data
                break
            else:
                print(f"not fitted: {name}")


def write(estimator: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write an estimator by every writer; yield the writers and the files."""
    pickling.dump(estimator, folder)
    yield "Tiffin", folder / "model.pkl"
    joblib.dump(estimator, folder / "plain.joblib")
    yield "joblib", folder / "plain.joblib"
    joblib.dump(estimator, folder / "packed.joblib", compress=3)
    yield "joblib, compressed", folder / "packed.joblib"
    (folder / "cloud.pkl").write_bytes(cloudpickle.dumps(estimator))
    yield "cloudpickle", folder / "cloud.pkl"
    (folder / "two.pkl").write_bytes(pickle.dumps(estimator, 2))
    yield "pickle, protocol 2", folder / "two.pkl"
    import skops.io

    try:
        skops.io.dump(estimator, folder / "model.skops")
    except skops.io.exceptions.UnsupportedTypeException:
        return
    yield "skops", folder / "model.skops"


def compare(path: Path, writer: str, estimator: Any, inputs: Any) -> str:
    """Return what is wrong with what is built of a file, "" where nothing is."""
    from tiffin_sklearn import _skops

    reader: Any = _skops.inspect if writer == "skops" else "joblib" if path.suffix == ".joblib" else "pickle"
    found = inspect(path, reader)
    refused, problems = judge_inspection(found, lists())
    if refused or problems or found.tape is None:
        return "; ".join((*refused, *problems))
    buffers = (
        pickling.map_buffers(path.parent, path.stem, path.stat().st_size, apart=True) if writer == "Tiffin" else None
    )
    try:
        built = build(found.tape, lists(), buffers)
    except Unfollowable as error:
        return str(error)
    loaded = pickle.loads(cloudpickle.dumps(estimator))  # noqa: S301 - written a moment ago
    if writer != "skops" and (where := difference(built, loaded)):
        return f"differs at {where}"
    for method in METHODS:
        if difference(answer(built, method, inputs), answer(loaded, method, inputs)):
            return f"answers otherwise to {method}"
    return ""


def answer(estimator: Any, method: str, inputs: Any) -> Any:
    """Return what a method answers, or the error that it raises."""
    if not hasattr(estimator, method):
        return None
    np.random.seed(0)  # for estimators that draw by numpy's own state
    try:
        return getattr(estimator, method)(inputs)
    except Exception as error:  # noqa: BLE001 - the same error is the same answer
        return f"{type(error).__name__}: {error}"[:80]


if __name__ == "__main__":
    sys.exit(main())

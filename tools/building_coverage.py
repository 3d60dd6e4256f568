"""State how many of scikit-learn's models are built from a stranger's file, and answer as they did.

Run: python tools/building_coverage.py [--only NAME] [--write]

Every estimator of `all_estimators()`, and the richer models of rich_models.py, are fitted on small data, and written by
Tiffin, as BentoML does it (joblib), as MLflow does it (pickle, cloudpickle, skops), packed by joblib, and in protocol 2. Each
file is read, judged and built as of a model from elsewhere. What was built is compared with what unpickling gives, attribute
by attribute and bit by bit; skops' own constructor may choose other integers for sparse indexes, so its files count by
their answers. Models that must be refused are shown to be. Prints what fails, and the table of docs/explanation/trust.md;
exits with 1 where one fails, or where the page says something else. `--write` puts the table into the page.
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

import rich_models
from same_object import difference
from tiffin import pickling
from tiffin.building import build
from tiffin.inspection import Unfollowable
from tiffin.trust import inspect, judge_inspection, lists

PAGE = Path(__file__).resolve().parent.parent / "docs/explanation/trust.md"
BEGIN, END = "% shares: written by tools/building_coverage.py\n\n", "\n% end of shares\n"
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples", "kneighbors")
Counts = collections.Counter[tuple[str, str]]


def main(arguments: list[str] | None = None) -> int:
    """Fit, write, build and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help="part of a model's name")
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    options = parser.parse_args(arguments)
    tried: Counts = collections.Counter()
    right: Counts = collections.Counter()
    classes: set[type] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, estimator, inputs in fitted(options.only):
            classes.add(type(estimator))
            count("estimators", name, estimator, inputs, tried, right)
        for name, estimator, inputs in rich_models.models(options.only):
            count("richer", name, estimator, inputs, tried, right)
        wrong = [] if options.only else not_refused()
    text = table(tried, right, len(classes))
    print(text, *wrong, sep="\n")
    if options.only:
        return 0 if right == tried else 1
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    stated, _, after = rest.partition(END)
    if options.write:
        PAGE.write_text(before + BEGIN + text + END + after, encoding="utf-8")
    elif text != stated and f"scikit-learn {version()}" in stated:
        wrong.append("The page says something else: run this with --write")
        print(wrong[-1])
    return 0 if right == tried and not wrong else 1


def count(kind: str, name: str, estimator: Any, inputs: Any, tried: Counts, right: Counts) -> None:
    """Write a model by all writers, and count which of its files are built right."""
    with tempfile.TemporaryDirectory() as folder:
        for writer, path in write(estimator, Path(folder)):
            tried[writer, kind] += 1
            problem = compare(path, writer, estimator, inputs)
            right[writer, kind] += not problem
            if problem:
                print(f"{name}, written by {writer}: {problem}")


def table(tried: Counts, right: Counts, classes: int) -> str:
    """Return the shares as the page has them."""
    lines = [
        f"scikit-learn {version()}; models that are built, equal, and give the same answers:\n\n",
        f"| written by | of all {classes} classes that can be fitted | of richer models |\n",
        "|---|---|---|\n",
    ]
    for writer in dict.fromkeys(writer for writer, _ in tried):
        shares = [f"{right[writer, kind]} of {tried[writer, kind]}" for kind in ("estimators", "richer")]
        lines.append(f"| {writer} | {shares[0]} | {shares[1]} |\n")
    return "".join(lines)


def version() -> str:
    """Return the release of scikit-learn."""
    import sklearn

    return str(sklearn.__version__)


def not_refused() -> list[str]:
    """Return what should be refused, and is not."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pkl"
        for name, estimator, why in rich_models.others():
            path.write_bytes(cloudpickle.dumps(estimator))
            if not (problem := compare(path, "cloudpickle", estimator, None)) or "answers" in problem:
                wrong.append(f"{name}: is built, although it {why}")
    return wrong


def fitted(only: str | None = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield each estimator's name, the fitted estimator, and inputs for it."""
    from sklearn.base import clone
    from sklearn.utils import all_estimators
    from sklearn.utils._test_common.instance_generator import _construct_instances

    random = np.random.RandomState(0)
    numbers = np.abs(random.normal(size=(40, 4))) + 0.1
    classes = np.arange(40) % 2
    inputs = (numbers, numbers[:, 0], ["cat dog", "dog owl"] * 20, [{"a": 1, "b": 2.0}, {"a": 2}] * 20,
              [("a",), ("b", "c")] * 20, numbers.reshape(5, 4, 8), list("ab") * 20, numbers @ numbers.T)  # fmt: skip
    targets = (classes, numbers[:, 0], numbers[:, :2], np.c_[classes, 1 - classes], None)
    for name, kind in all_estimators():
        if only is not None and only not in name:
            continue
        try:
            made = list(_construct_instances(kind))
        except (TypeError, ValueError, ImportError, SkipTest) as error:
            print(f"not made: {name}: {error}")
            continue
        for estimator in made:
            for data, target in ((data, target) for data in inputs for target in targets):
                one = clone(estimator)
                try:
                    one.fit(data) if target is None else one.fit(data, target)
                # Most pairs do not fit each other; whatever an estimator says to them does not matter here.
                except Exception:  # noqa: BLE001
                    continue
                yield name, one, data
                break
            else:
                print(f"not fitted: {name}")


def write(estimator: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write an estimator by every writer; yield the writers and the files."""
    pickling.dump(estimator, folder)
    yield "Tiffin", folder / "model.pkl"
    joblib.dump(estimator, folder / "plain.joblib")
    yield "BentoML's way (joblib)", folder / "plain.joblib"
    joblib.dump(estimator, folder / "packed.joblib", compress=3)
    yield "joblib, packed", folder / "packed.joblib"
    (folder / "plain.pkl").write_bytes(pickle.dumps(estimator))
    yield "MLflow's way (pickle)", folder / "plain.pkl"
    (folder / "cloud.pkl").write_bytes(cloudpickle.dumps(estimator))
    yield "MLflow's way (cloudpickle)", folder / "cloud.pkl"
    (folder / "two.pkl").write_bytes(pickle.dumps(estimator, 2))
    yield "pickle, protocol 2", folder / "two.pkl"
    import skops.io

    try:
        skops.io.dump(estimator, folder / "model.skops")
    except (skops.io.exceptions.UnsupportedTypeException, RecursionError):
        return
    yield "MLflow's way (skops)", folder / "model.skops"


def compare(path: Path, writer: str, estimator: Any, inputs: Any) -> str:
    """Return what is wrong with what is built of a file, "" where nothing is."""
    from tiffin_sklearn import skops_files

    of_skops = path.suffix == ".skops"
    reader: Any = skops_files.inspect if of_skops else "joblib" if path.suffix == ".joblib" else "pickle"
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
    if not of_skops and (where := difference(built, loaded)):
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

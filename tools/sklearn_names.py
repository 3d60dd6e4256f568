"""Write the names that scikit-learn's adapter lets core build: classes.txt and functions.txt.

Run: python tools/sklearn_names.py [--check]

Every estimator of `all_estimators()` is fitted on small data and pickled, with every setting whose values bring other
classes (kernels, losses, metrics, sparse matrices); what the pickles name is collected. A name gets onto the list of
classes only if it is a class of scikit-learn's own, written in Python, so that it can be made empty, and not in a testing
module. Functions are those of FUNCTIONS, each with the reason why it may stand as a value, and the metrics of the scorers.
What compiled code makes has a maker in the adapter. Whatever else is met is printed, and stays off the lists. Names that
releases before this one had are kept from the lists as they are: a name that no longer exists cannot be imported. `--check`
writes nothing, and fails where a name is missing. plugins/sklearn/tests/test_lists.py walks every entry.
"""

from __future__ import annotations

import argparse
import importlib
import pickle
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import rich_models
from tiffin.building import as_name
from tiffin.inspection import inspect_file
from tiffin.trust import lists

FOLDER = Path(__file__).resolve().parent.parent / "plugins/sklearn/src/tiffin_sklearn"
CLASSES = FOLDER / "classes.txt"
CLASSES_HEADER = """\
# Classes of which core may build instances from a stranger's file, by plain attributes. One exact name per line.
# Written by tools/sklearn_names.py, which says how a name gets here.
"""
FUNCTIONS_HEADER = """\
# Functions that may stand as values in a stranger's file. One exact name per line.
# Written by tools/sklearn_names.py, which says how a name gets here.
"""

_UFUNCS = "abs absolute cos exp exp2 expm1 log log10 log1p log2 sin sqrt square"
FUNCTIONS = {
    **{f"numpy.{name}": "works on numbers, as FunctionTransformer calls it" for name in _UFUNCS.split()},
    "numpy.max": "works on numbers, as the pooling of FeatureAgglomeration",
    "numpy.mean": "works on numbers, as the pooling of FeatureAgglomeration",
    "scipy._lib.array_api_compat.numpy._aliases.asarray": "makes an array of numbers, as SplineTransformer does",
    "sklearn.cluster._kmeans._kmeans_single_elkan": "works on numbers",
    "sklearn.cluster._kmeans._kmeans_single_lloyd": "works on numbers",
    "sklearn.feature_selection._mutual_info.mutual_info_classif": "works on numbers",
    "sklearn.feature_selection._mutual_info.mutual_info_regression": "works on numbers",
    "sklearn.feature_selection._univariate_selection.chi2": "works on numbers",
    "sklearn.feature_selection._univariate_selection.f_classif": "works on numbers",
    "sklearn.feature_selection._univariate_selection.f_regression": "works on numbers",
    "sklearn.utils.validation.check_array": "checks numbers",
}
"""Names of functions, each with why it may be called by who holds it."""
NOT_MET = (
    "sklearn.preprocessing._function_transformer.FunctionTransformer",
    "sklearn.compose._column_transformer.make_column_selector",
)
"""Classes that no fitted estimator brings by itself; what they hold is checked."""


def main() -> int:
    """Collect, judge and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a name is missing")
    options = parser.parse_args()
    met: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for what, estimator in estimators():
            for name in imports(estimator, Path(folder)):
                met.setdefault(name, what)
    known = lists()
    missing = {name for name in met if not known.knows(as_name(name))}
    good = {name for name in missing if is_class(name)}
    for name in sorted(missing - good - READ):
        print(f"not on a list: {name} ({met[name]})", file=sys.stderr)
    if options.check:
        for name in sorted(good):
            print(f"missing: {name} ({met[name]})")
        return 1 if good else 0
    before = {line for line in CLASSES.read_text().splitlines() if line[:1] not in ("", "#")}
    classes = good | before | set(NOT_MET) | set(sklearn_classes())
    CLASSES.write_text(CLASSES_HEADER + "".join(f"{name}\n" for name in sorted(classes)), encoding="utf-8")
    functions = FUNCTIONS.keys() | set(metrics())
    text = FUNCTIONS_HEADER + "".join(f"{name}\n" for name in sorted(functions))
    (FOLDER / "functions.txt").write_text(text, encoding="utf-8")
    print(f"{len(classes)} classes, {len(classes - before)} of them new; {len(functions)} functions")
    return 0


READ = frozenset({"numpy.dtype", "joblib.numpy_pickle.NumpyArrayWrapper"})
"""Names that the parser itself reads."""


def is_class(name: str) -> bool:
    """Tell whether a name may go onto the list of classes."""
    if "test" in name.lower() or not name.startswith("sklearn.") or ":" in name:
        return False
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
        return isinstance(found, type) and isinstance(object.__new__(found), found)
    except (ImportError, AttributeError, TypeError):
        return False


def metrics() -> Iterator[str]:
    """Yield the names of the functions by which scorers score."""
    from sklearn.metrics import get_scorer, get_scorer_names

    for name in get_scorer_names():
        function = get_scorer(name)._score_func
        yield f"{function.__module__}.{function.__name__}"


def sklearn_classes() -> Iterator[str]:
    """Yield the names of estimators and their parts that cannot be fitted without special data."""
    from sklearn.utils import all_estimators

    for _, kind in all_estimators():
        name = f"{kind.__module__}.{kind.__qualname__}"
        if is_class(name):
            yield name


def imports(estimator: Any, folder: Path) -> set[str]:
    """Return what the pickle of an estimator would import; nothing where it cannot be pickled."""
    path = folder / "estimator.pkl"
    names: set[str] = set()
    for protocol in (2, 5):
        try:
            path.write_bytes(pickle.dumps(estimator, protocol))
        except (pickle.PicklingError, AttributeError, TypeError):
            continue
        names.update(inspect_file(path, "pickle").names)
    return names


def estimators() -> Iterator[tuple[str, Any]]:
    """Yield fitted estimators, each with what it is."""
    import numpy as np
    from sklearn.utils import all_estimators
    from sklearn.utils._test_common.instance_generator import _construct_instances

    random = np.random.RandomState(0)
    inputs = np.abs(random.normal(size=(40, 4))) + 0.1
    classes = np.arange(40) % 2
    for name, kind in all_estimators():
        try:
            made = list(_construct_instances(kind))
        except (TypeError, ValueError, ImportError, SkipTest) as error:
            print(f"not made: {name}: {error}", file=sys.stderr)
            continue
        for estimator in made:
            yield name, estimator
            yield from fitted(name, estimator, inputs, classes)
    yield from special(inputs, classes)
    yield from ((name, estimator) for name, estimator, _ in rich_models.models())


def fitted(name: str, estimator: Any, inputs: Any, classes: Any) -> Iterator[tuple[str, Any]]:
    """Yield the estimator fitted in as many ways as work."""
    import scipy.sparse
    from sklearn.base import clone

    for data in (inputs, inputs[:, 0], inputs.astype("float32"), scipy.sparse.csr_matrix(inputs), ["a b", "b c"] * 20):
        for target in (classes, inputs[:, 0], inputs[:, :2], np_strings(classes), None):
            copy = clone(estimator)
            try:
                copy.fit(data, target)
            # Most pairs do not fit each other; whatever an estimator says to them does not matter here.
            except Exception:  # noqa: BLE001
                continue
            yield name, copy


def np_strings(classes: Any) -> Any:
    """Return classes as texts."""
    import numpy as np

    return np.array(["no", "yes"])[classes]


def special(inputs: Any, classes: Any) -> Iterator[tuple[str, Any]]:
    """Yield estimators with settings that bring classes of their own."""
    import numpy as np
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingRegressor
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels
    from sklearn.linear_model import SGDClassifier, SGDRegressor, TweedieRegressor
    from sklearn.metrics import DistanceMetric
    from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, TimeSeriesSplit
    from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier

    for name in kernels.__all__ if hasattr(kernels, "__all__") else dir(kernels):
        kind = getattr(kernels, name)
        if isinstance(kind, type) and issubclass(kind, kernels.Kernel):
            for arguments in (
                (),
                (kernels.RBF(),),
                (kernels.RBF(), kernels.RBF()),
                (kernels.RBF(), 2),
                ([kernels.RBF()],),
            ):
                try:
                    yield f"kernel {name}", GaussianProcessRegressor(kind(*arguments))
                except TypeError:
                    continue
    for loss in ("hinge", "squared_hinge", "log_loss", "modified_huber", "perceptron"):
        yield f"SGD {loss}", SGDClassifier(loss=loss, max_iter=5).fit(inputs, classes)
    for loss in ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        yield f"SGD {loss}", SGDRegressor(loss=loss, max_iter=5).fit(inputs, inputs[:, 0])
    for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile"):
        settings = {"quantile": 0.5} if loss == "quantile" else {}
        yield (
            f"histogram {loss}",
            HistGradientBoostingRegressor(loss=loss, max_iter=2, **settings).fit(inputs, inputs[:, 0]),
        )
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield f"boosting {loss}", GradientBoostingRegressor(loss=loss, n_estimators=2).fit(inputs, inputs[:, 0])
    for loss in ("log_loss", "exponential"):
        yield f"boosting {loss}", GradientBoostingClassifier(loss=loss, n_estimators=2).fit(inputs, classes)
    yield "three classes", GradientBoostingClassifier(n_estimators=2).fit(inputs, np.arange(40) % 3)
    for power in (0, 1, 1.5, 2, 3):
        yield f"Tweedie {power}", TweedieRegressor(power=power).fit(inputs, inputs[:, 0])
    for metric in KDTree.valid_metrics:
        yield f"k-d tree {metric}", KDTree(inputs, metric=metric)
    for metric in BallTree.valid_metrics:
        if metric != "pyfunc":
            options: dict[str, Any] = (
                {"V": np.ones(2)} if metric == "seuclidean" else {"VI": np.eye(2)} if metric == "mahalanobis" else {}
            )
            yield f"ball tree {metric}", BallTree(inputs[:, :2], metric=metric, **options)
            for dtype in (np.float32, np.float64):
                try:
                    yield f"metric {metric}", DistanceMetric.get_metric(metric, dtype=dtype, **options)
                except ValueError:
                    continue
    for algorithm in ("kd_tree", "ball_tree"):
        yield algorithm, KNeighborsClassifier(algorithm=algorithm).fit(inputs.astype("float32"), classes)
    for split in (KFold(2), StratifiedKFold(2), TimeSeriesSplit(2)):
        search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 2], "weights": ["uniform"]}, cv=split)
        yield f"search with {type(split).__name__}", search.fit(inputs, classes)


if __name__ == "__main__":
    sys.exit(main())

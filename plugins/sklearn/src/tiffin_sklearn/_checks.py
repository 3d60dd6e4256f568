"""Checks of finished estimators: what compiled code trusts across attributes, and what must not be chosen by a stranger.

Which structures are audited is told in docs/explanation/trust.md; a test walks the lists.
"""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ._require import array, features, require

Check = Callable[[Any], None]
_MAX_JOBS = 1024


def every(made: Any) -> None:
    """Check what any estimator may have: no folder to write to, no crowd of workers; and settle its version."""
    own = vars(made)
    if own and "sklearn.base.BaseEstimator" in {f"{base.__module__}.{base.__name__}" for base in type(made).__mro__}:
        _warn_of(own.pop("_sklearn_version", "pre-0.18"), type(made).__name__)
    require(own.get("memory") is None, "it has a folder to keep results in")
    jobs = own.get("n_jobs")
    require(
        jobs is None or (isinstance(jobs, (int, np.integer)) and -_MAX_JOBS <= jobs <= _MAX_JOBS),
        "it asks for too many workers",
    )


def _warn_of(version: Any, name: str) -> None:
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    if version != sklearn.__version__ and type(version) is str:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name, current_sklearn_version=sklearn.__version__, original_sklearn_version=version[:40]
            ),
            stacklevel=2,
        )


def _is_tree(found: Any, width: int, outputs: int | None = None) -> bool:
    return (
        type(found).__module__ == "sklearn.tree._tree"
        and type(found).__name__ == "Tree"
        and found.n_features == width
        and (outputs is None or found.n_outputs == outputs)
    )


def _trees_of(made: Any) -> Any:
    return vars(made).get("tree_") if hasattr(made, "__dict__") else None


def tree(made: Any) -> None:
    """A tree has its estimator's features and outputs."""
    own = vars(made)
    if "tree_" in own:
        outputs = own.get("n_outputs_", 1)
        require(isinstance(outputs, (int, np.integer)), "its n_outputs_ is no number")
        require(_is_tree(own["tree_"], features(own), int(outputs)), "its tree is of other features")


def forest(made: Any) -> None:
    """Each tree of a forest has the features that it is given; each answers for all classes."""
    own = vars(made)
    if "estimators_" not in own:
        return
    width = features(own)
    trees = own["estimators_"]
    require(type(trees) is list and len(trees) > 0, "its estimators_ are no list")
    outputs = own.get("n_outputs_", 1)
    require(isinstance(outputs, (int, np.integer)), "its n_outputs_ is no number")
    chosen = own.get("_estimators_features", own.get("estimators_features_"))
    if chosen is None:
        chosen = [None] * len(trees)
    require(type(chosen) is list and len(chosen) == len(trees), "its features are not those of its trees")
    for one, part in zip(trees, chosen, strict=True):
        wide = width if part is None else len(part)
        if part is not None:
            require(
                type(part) is np.ndarray and part.dtype.kind == "i" and part.ndim == 1
                and (not len(part) or 0 <= part.min() <= part.max() < width),
                "its features are not those of its trees",
            )  # fmt: skip
        require(_is_tree(_trees_of(one), wide), "one of its trees is of other features")


def boosting(made: Any) -> None:
    """Boosting writes one column for each tree of a stage."""
    own = vars(made)
    if "estimators_" not in own:
        return
    count, stages = own.get("n_trees_per_iteration_"), own["estimators_"]
    require(
        type(count) is int and type(stages) is np.ndarray and stages.dtype == object and stages.ndim == 2
        and stages.shape[1] == count >= 1,
        "its estimators_ are of another shape",
    )  # fmt: skip
    classes = own.get("classes_")
    if classes is not None:
        require(
            type(classes) is np.ndarray and (count == len(classes) or (count == 1 and len(classes) <= 2)),
            "its classes_",
        )
    width = features(own)
    for one in stages.ravel():
        found = _trees_of(one)
        require(_is_tree(found, width, 1) and found.max_n_classes == 1, "one of its trees is of other features")


def histogram_boosting(made: Any) -> None:
    """Each predictor looks at features that are there, each column has its bins, each category fits its set."""
    own = vars(made)
    if "_predictors" not in own:
        return
    width, stages, count = features(own), own["_predictors"], own.get("n_trees_per_iteration_")
    require(type(stages) is list and type(count) is int and count >= 1, "its predictors are no lists")
    for stage in stages:
        require(type(stage) is list and len(stage) == count, "its predictors are of another shape")
        for one in stage:
            require(type(one).__name__ == "TreePredictor", "one of its predictors is none")
            nodes = one.nodes
            require(
                0 <= int(nodes["feature_idx"].min()) <= int(nodes["feature_idx"].max()) < width,
                "a predictor is of other features",
            )
    mapper = vars(own["_bin_mapper"])
    categorical, thresholds = array(mapper, "is_categorical_", 1, "u", (width,)), mapper["bin_thresholds_"]
    require(type(thresholds) is list and len(thresholds) == width, "its bins are of other features")
    for is_category, bins in zip(categorical, thresholds, strict=True):
        require(type(bins) is np.ndarray and bins.ndim == 1 and bins.dtype.kind in "fiu", "its bins are no numbers")
        require(not is_category or not len(bins) or 0 <= bins.min() <= bins.max() < 256, "its categories are too many")


def support_vectors(made: Any) -> None:
    """All arrays of a support vector machine have the lengths that its counts say."""
    own = vars(made)
    if "support_vectors_" not in own:
        return
    counts, classes, width = own.get("_n_support"), own.get("classes_"), features(own)
    require(
        type(counts) is np.ndarray
        and counts.dtype == np.int32
        and counts.ndim == 1
        and len(counts)
        and counts.min() >= 0,
        "its counts of support vectors are none",
    )
    kinds = 2 if classes is None else len(counts)
    require(classes is None or len(classes) == kinds >= 2, "its classes_ are not those of its support vectors")
    total = int(counts[0]) if classes is None else int(counts.sum())
    pairs = kinds * (kinds - 1) // 2
    support = own.get("support_")
    require(
        type(support) is np.ndarray and support.dtype == np.int32 and support.shape == (total,),
        "its support_ is another",
    )
    for name in ("_intercept_", "intercept_"):
        array(own, name, 1, "f", (pairs,))
    for name in ("_probA", "_probB"):
        if own.get(name) is not None:
            require(len(array(own, name, 1, "f")) in (0, pairs), f"its {name} is of another length")
    for name in ("_dual_coef_", "dual_coef_"):
        found = own[name]
        require(found.shape == (kinds - 1, total), f"its {name} is of another shape")
        require(type(found) is np.ndarray or found.nnz == found.shape[0] * found.shape[1], f"its {name} has gaps")
    if own.get("kernel") == "precomputed":
        rows = own["shape_fit_"][0]
        require(
            rows == width and (not total or 0 <= support.min() <= support.max() < rows), "its support_ points outside"
        )
    else:
        require(own["support_vectors_"].shape == (total, width), "its support vectors are of another shape")


def centers(made: Any) -> None:
    """Centers of clusters have the features that rows have."""
    own = vars(made)
    if "cluster_centers_" in own:
        array(own, "cluster_centers_", 2, "f", (None, features(own)))


def birch(made: Any) -> None:
    """Each center of a subcluster has a norm."""
    own = vars(made)
    if "subcluster_centers_" in own:
        found = array(own, "subcluster_centers_", 2, "f", (None, features(own)))
        array(own, "_subcluster_norms", 1, "f", (len(found),))


def vectorizer(made: Any) -> None:
    """A vocabulary counts from 0 to its length; and no text is the name of a file to open."""
    own = vars(made)
    require(own.get("input", "content") == "content", "it opens files")
    words = own.get("vocabulary_")
    if words is not None:
        numbers: list[Any] = list(words.values()) if type(words) is dict else [None]
        require(all(isinstance(n, (int, np.integer)) for n in numbers), "its vocabulary_ is none")
        require(not numbers or 0 <= min(numbers) <= max(numbers) < len(numbers), "its vocabulary_ points outside")


def encoder(made: Any) -> None:
    """Rare categories stand for ones that are there."""
    own = vars(made)
    mappings, categories = own.get("_default_to_infrequent_mappings"), own.get("categories_")
    if not mappings or not categories:
        return
    for mapping, known in zip(mappings, categories, strict=True):
        require(
            mapping is None
            or (
                type(mapping) is np.ndarray and mapping.dtype.kind == "i" and len(mapping) == len(known)
                and (not len(mapping) or 0 <= mapping.min() <= mapping.max() < len(known))
            ),
            "its rare categories point outside",
        )  # fmt: skip


def stacking(made: Any) -> None:
    """Stacked estimators are called by methods that predict."""
    methods = vars(made).get("stack_method_", ())
    known = ("predict_proba", "decision_function", "predict")
    require(all(type(name) is str and name in known for name in methods), "it calls methods by names that it holds")


def scorer(made: Any) -> None:
    """A scorer calls methods that predict, and a function that is listed."""
    own = vars(made)
    names = own.get("_response_method", "predict")
    known = ("predict", "predict_proba", "decision_function", "predict_log_proba", "default")
    names = names if type(names) in (tuple, list) else (names,)
    require(all(type(name) is str and name in known for name in names), "it calls methods by names that it holds")
    require(_is_function(own.get("_score_func")), "it scores by something else than a function")


def classifying_neighbors(made: Any) -> None:
    """Each neighbour has a class that is there."""
    own = vars(made)
    labels, rows, classes = own.get("_y"), own.get("_fit_X"), own.get("classes_")
    if labels is None or rows is None:
        return
    require(
        type(labels) is np.ndarray
        and labels.dtype.kind == "i"
        and len(labels) == rows.shape[0] == own.get("n_samples_fit_"),
        "its labels are not those of its rows",
    )
    kinds = classes if type(classes) is list else [classes]
    columns = labels.reshape(len(labels), -1)
    require(len(kinds) == columns.shape[1], "its labels are not those of its classes")
    for number, known in enumerate(kinds):
        column = columns[:, number]
        require(
            not len(column) or 0 <= column.min() <= column.max() < len(known), "its labels are not those of its classes"
        )


def isotonic(made: Any) -> None:
    """Thresholds are two curves of one length; of them its interpolation is made anew, as loading does."""
    own = vars(made)
    if "X_thresholds_" not in own or "y_thresholds_" not in own:
        return
    inputs = array(own, "X_thresholds_", 1, "f")
    outputs = array(own, "y_thresholds_", 1, "f", (len(inputs),))
    require(len(inputs) and own.get("out_of_bounds") in ("nan", "clip", "raise"), "its curve has no points")
    made._build_f(inputs, outputs)


def functions(*names: str) -> Check:
    """Return the check that attributes hold functions of the lists, or nothing."""

    def check(made: Any) -> None:
        own = vars(made)
        require(all(own.get(name) is None or _is_function(own[name]) for name in names), "it calls what is no function")

    return check


def _is_function(value: Any) -> bool:
    return type(value) in (types.FunctionType, types.BuiltinFunctionType, np.ufunc, functools.partial) or (
        type(value).__name__ == "_ArrayFunctionDispatcher" and type(value).__module__.startswith("numpy.")
    )


CHECKS: dict[Check, str] = {
    tree: "tree._classes: DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    forest: "ensemble._forest: RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor "
    "RandomTreesEmbedding; ensemble._iforest: IsolationForest",
    boosting: "ensemble._gb: GradientBoostingClassifier GradientBoostingRegressor",
    histogram_boosting: "ensemble._hist_gradient_boosting.gradient_boosting: HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor",
    support_vectors: "svm._classes: SVC NuSVC SVR NuSVR OneClassSVM",
    centers: "cluster._kmeans: KMeans MiniBatchKMeans; cluster._bisect_k_means: BisectingKMeans; "
    "cluster._mean_shift: MeanShift",
    birch: "cluster._birch: Birch",
    vectorizer: "feature_extraction.text: CountVectorizer TfidfVectorizer HashingVectorizer; "
    "feature_extraction._dict_vectorizer: DictVectorizer",
    encoder: "preprocessing._encoders: OneHotEncoder OrdinalEncoder",
    stacking: "ensemble._stacking: StackingClassifier StackingRegressor",
    scorer: "metrics._scorer: _Scorer _CurveScorer",
    classifying_neighbors: "neighbors._classification: KNeighborsClassifier RadiusNeighborsClassifier",
    isotonic: "isotonic: IsotonicRegression",
    functions("func", "inverse_func"): "preprocessing._function_transformer: FunctionTransformer; "
    "compose._target: TransformedTargetRegressor",
    functions(
        "score_func"
    ): "feature_selection._univariate_selection: SelectKBest SelectPercentile SelectFpr SelectFdr "
    "SelectFwe GenericUnivariateSelect",
}
"""Each check, and the classes that it is for, by their modules below `sklearn`."""


def checks(classes: Iterable[str]) -> dict[str, Check]:
    """Return the check of each class: that of every estimator, and its own."""
    own: dict[str, Check] = {}
    for check, text in CHECKS.items():
        for part in text.split(";"):
            module, _, names = part.strip().partition(": ")
            own.update(dict.fromkeys((f"sklearn.{module}.{name}" for name in names.split()), check))
    return {name: _both(own[name]) if name in own else every for name in classes}


def _both(check: Check) -> Check:
    def both(made: Any) -> None:
        every(made)
        check(made)

    return both

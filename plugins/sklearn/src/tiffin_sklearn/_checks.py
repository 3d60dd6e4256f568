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

from ._check_columns import encoder, hasher, labels, vectorizer
from ._check_ensembles import boosting, forest, histogram_boosting, one_against_rest, tree
from ._check_points import (
    birch,
    bisecting,
    centers,
    classifying_neighbors,
    exemplars,
    factors,
    isotonic,
    neighbors,
    support_vectors,
)
from ._require import is_setting, require

Check = Callable[[Any], None]
_MAX_JOBS = 1024
_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
"""Methods that may be called by a stored name."""


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

    require(type(version) is str, "its _sklearn_version is no text")  # scikit-learn would show it, whatever it is
    if version != sklearn.__version__:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name, current_sklearn_version=sklearn.__version__, original_sklearn_version=version[:40]
            ),
            stacklevel=2,
        )


def methods(name: str, default: str = "predict", more: tuple[str, ...] = ()) -> Check:
    """Return the check that an attribute names methods that predict: one, or several.

    Args:
        name: the attribute's.
        default: for objects that do not have it.
        more: words that stand for methods, and are none.
    """

    def check(made: Any) -> None:
        found = vars(made).get(name, default)
        every_one = found if type(found) in (tuple, list) else (found,)
        require(
            all(type(one) is str and one in _METHODS + more for one in every_one),
            "it calls methods by names that it holds",
        )

    return check


def scorer(made: Any) -> None:
    """A scorer calls methods that predict, and a function that is listed."""
    methods("_response_method", more=("default",))(made)
    require(_is_function(vars(made).get("_score_func")), "it scores by something else than a function")


def functions(*names: str) -> Check:
    """Return the check that attributes hold functions of the lists, or nothing."""

    def check(made: Any) -> None:
        own = vars(made)
        require(all(own.get(name) is None or _is_function(own[name]) for name in names), "it calls what is no function")

    return check


def function_transformer(made: Any) -> None:
    """Its functions are listed, and get plain settings: no array to write their answer into, of other rows than they got."""
    functions("func", "inverse_func")(made)
    for name in ("kw_args", "inv_kw_args"):
        settings = vars(made).get(name)
        require(
            settings is None
            or (
                type(settings) is dict
                and all(type(key) is str and is_setting(value) for key, value in settings.items())
            ),
            "it gives its functions settings that are not plain",
        )


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
    one_against_rest: "multiclass: OneVsRestClassifier",
    support_vectors: "svm._classes: SVC NuSVC SVR NuSVR OneClassSVM",
    centers: "cluster._kmeans: KMeans MiniBatchKMeans; cluster._mean_shift: MeanShift",
    exemplars: "cluster._affinity_propagation: AffinityPropagation",
    bisecting: "cluster._bisect_k_means: BisectingKMeans",
    birch: "cluster._birch: Birch",
    factors: "decomposition._nmf: NMF MiniBatchNMF",
    vectorizer: "feature_extraction.text: CountVectorizer TfidfVectorizer HashingVectorizer; "
    "feature_extraction._dict_vectorizer: DictVectorizer",
    hasher: "feature_extraction._hash: FeatureHasher",
    encoder: "preprocessing._encoders: OneHotEncoder OrdinalEncoder; preprocessing._target_encoder: TargetEncoder",
    labels: "preprocessing._label: MultiLabelBinarizer",
    methods("stack_method_"): "ensemble._stacking: StackingClassifier StackingRegressor",
    methods("chain_method_"): "multioutput: ClassifierChain RegressorChain",
    methods("response_method", more=("auto",)): "model_selection._classification_threshold: FixedThresholdClassifier "
    "TunedThresholdClassifierCV",
    scorer: "metrics._scorer: _Scorer _CurveScorer",
    neighbors: "neighbors._regression: KNeighborsRegressor RadiusNeighborsRegressor; neighbors._unsupervised: "
    "NearestNeighbors; neighbors._graph: KNeighborsTransformer RadiusNeighborsTransformer; neighbors._lof: "
    "LocalOutlierFactor",
    classifying_neighbors: "neighbors._classification: KNeighborsClassifier RadiusNeighborsClassifier",
    isotonic: "isotonic: IsotonicRegression",
    function_transformer: "preprocessing._function_transformer: FunctionTransformer",
    functions("func", "inverse_func"): "compose._target: TransformedTargetRegressor",
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

"""Forged attributes that would let compiled code read or write beyond an array, when the estimator answers, are refused."""

from __future__ import annotations

import functools
import pickle
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans, KMeans, MeanShift, MiniBatchKMeans
from sklearn.decomposition import NMF, MiniBatchNMF
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MultiLabelBinarizer,
    OneHotEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tiffin.inspection import Unfollowable

X = np.abs(np.random.RandomState(0).randn(60, 4)).round(2)
CLASSES = np.arange(60) % 2
THREE = np.arange(60) % 3
SEVERAL = np.c_[CLASSES, 1 - CLASSES]
FAR = 1 << 30
CATEGORIES = np.c_[X[:, :1].round(), X[:, 1:]]


class Said:
    """Pickles as what a function and arguments would make, with a state."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


def having(**attributes: Any) -> Callable[[Any], None]:
    """Return what sets attributes; a function makes the new value of the old one."""

    def change(model: Any) -> None:
        for name, value in attributes.items():
            own = vars(model)
            own[name] = value(own.get(name)) if isinstance(value, types.FunctionType) else value

    return change


def inside(path: str, **attributes: Any) -> Callable[[Any], None]:
    """Return what sets attributes of a part; "_predictors.0.0" is the first of the first of them."""

    def change(model: Any) -> None:
        for step in path.split("."):
            model = model[int(step)] if step.isdigit() else getattr(model, step)
        having(**attributes)(model)

    return change


def nodes(*places: Any, **fields: Any) -> Callable[[Any], Any]:
    """Return what makes a tree with changed nodes of another."""

    def change(tree: Any) -> Any:
        state = tree.__getstate__()
        state["nodes"], state["values"] = state["nodes"].copy(), state["values"].copy()
        for name, value in fields.items():
            if name in state:
                state[name] = value(state[name]) if callable(value) else value
            else:
                state["nodes"][name][0] = value
        return Said(type(tree), (tree.n_features, np.array(tree.n_classes), tree.n_outputs), state)

    return change


def neighbors(number: int, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what makes a k-d or ball tree with one part of its state changed."""

    def made_of(tree: Any) -> Any:
        state = [np.array(part) if type(part).__name__ == "memoryview" else part for part in tree.__getstate__()]
        state[:4] = [np.asarray(part) for part in state[:4]]
        state[number] = change(state[number])
        function, arguments = tree.__reduce__()[:2]
        return Said(function, arguments, tuple(state))

    return made_of


def field(name: str, value: Any) -> Callable[[Any], Any]:
    """Return what sets a field of all nodes of a k-d or ball tree."""

    def change(array: Any) -> Any:
        array = array.copy()
        array[name] = value
        return array

    return change


def predictor(**fields: Any) -> Callable[[Any], None]:
    """Return what sets fields of all inner nodes of a predictor of histogram boosting."""

    def change(model: Any) -> None:
        for stage in model._predictors:
            for one in stage:
                one.nodes = one.nodes.copy()
                for name, value in fields.items():
                    one.nodes[name][~one.nodes["is_leaf"].astype(bool)] = value

    return change


def part(name: str, at: Any, value: Any) -> Callable[[Any], Any]:
    """Return what changes one array of a sparse matrix."""

    def change(matrix: Any) -> Any:
        array = getattr(matrix, name).copy()
        array[at] = value
        vars(matrix)[name] = array
        return matrix

    return change


def narrow(array: Any) -> Any:
    """Return the first column."""
    return np.ascontiguousarray(array[:, :1])


def wider_tree(kind: type = DecisionTreeClassifier, outputs: int = 1) -> Any:
    """Return a tree of more features, which says that it has as many as others."""
    targets = CLASSES if outputs == 1 else np.random.rand(60, outputs)
    tree = kind(max_depth=2).fit(np.random.RandomState(1).randn(60, 900), targets)
    tree.n_features_in_ = 4
    return tree


def first(step: str, value: Any) -> Callable[[Any], Any]:
    """Return what puts a value in the first place of a list or array."""

    def change(items: Any) -> Any:
        items = items.copy()
        items[(0, 0) if step == "two" else 0] = value
        return items

    return change


def links(model: Any) -> None:
    """Let the link of a loss be an object with a function of the lists, which gives one number for all rows."""
    split = KFold(2)
    vars(split)["link"] = np.mean
    vars(model._loss)["link"] = split


def cyclic(model: Any) -> None:
    """Let a node of the tree of clusters be its own child."""
    tree = model._bisecting_tree
    tree.left, tree.right = tree, tree


TREE, FOREST = DecisionTreeClassifier(), RandomForestClassifier(3)
BOOSTED, HISTOGRAM = GradientBoostingClassifier(n_estimators=2), HistGradientBoostingClassifier(max_iter=2)
CATEGORICAL = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])
REGRESSING = GradientBoostingRegressor(n_estimators=2)
FITS: dict[str, tuple[Any, Any, Any]] = {
    "tree": (TREE, X, CLASSES), "forest": (FOREST, X, CLASSES), "extra": (ExtraTreesRegressor(3), X, X[:, 0]),
    "isolation": (IsolationForest(n_estimators=3, max_features=0.6), X, None), "boosted": (BOOSTED, X, CLASSES),
    "boosted three": (BOOSTED, X, THREE), "boosted numbers": (REGRESSING, X, X[:, 0]),
    "boosted linear": (GradientBoostingRegressor(n_estimators=2, init=LinearRegression()), X, X[:, 0]),
    "histogram": (HISTOGRAM, X, CLASSES), "categorical": (CATEGORICAL, CATEGORIES, CLASSES),
    "vectors": (SVC(), X, CLASSES), "sparse vectors": (SVC(), sp.csr_matrix(X), CLASSES),
    "precomputed": (SVC(kernel="precomputed"), X @ X.T, CLASSES), "regression": (SVR(), X, X[:, 0]),
    "one class": (OneClassSVM(), X, None), "k-d": (KNeighborsClassifier(algorithm="kd_tree", leaf_size=5), X, CLASSES),
    "ball": (KNeighborsClassifier(algorithm="ball_tree", leaf_size=5), X, CLASSES),
    "brute": (KNeighborsClassifier(algorithm="brute"), X, CLASSES),
    "brute numbers": (KNeighborsRegressor(algorithm="brute"), X, X[:, 0]),
    "nearest": (NearestNeighbors(algorithm="brute"), X, None), "outliers": (LocalOutlierFactor(novelty=True), X, None),
    "sparse neighbours": (KNeighborsClassifier(algorithm="brute"), sp.csr_matrix(X), CLASSES),
    "k-means": (KMeans(3), X, None), "batches": (MiniBatchKMeans(3), X, None), "bisected": (BisectingKMeans(3), X, None),
    "shifted": (MeanShift(), X, None), "exemplars": (AffinityPropagation(), X, None), "birch": (Birch(n_clusters=2), X, None),
    "factors": (NMF(2), X, None), "batch factors": (MiniBatchNMF(2), X, None), "splines": (SplineTransformer(), X, None),
    "texts": (CountVectorizer(), ["a bc def", "bc xx"], None), "hashed": (HashingVectorizer(n_features=8), ["a bc"], None),
    "records": (DictVectorizer(), [{"a": 1, "b": 2}, {"a": 2}], None), "features": (FeatureHasher(8), [{"a": 1}], None),
    "one hot": (OneHotEncoder(), X.round(), None), "dropped": (OneHotEncoder(drop="first"), X.round(), None),
    "rare": (OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3), (X * 4).round(), None),
    "labels": (MultiLabelBinarizer(), [("a",), ("b", "c")], None),
    "sparse coefficients": (LogisticRegression(), X, CLASSES),
    "chain": (ClassifierChain(LogisticRegression()), X, SEVERAL),
    "several": (OneVsRestClassifier(LogisticRegression()), X, SEVERAL),
    "several steps": (OneVsRestClassifier(make_pipeline(StandardScaler(), LogisticRegression())), X, SEVERAL),
    "several trees": (OneVsRestClassifier(DecisionTreeClassifier()), X, SEVERAL),
    "several vectors": (OneVsRestClassifier(SVC()), X, SEVERAL),
    "several always": (OneVsRestClassifier(LinearSVC()), X, np.c_[CLASSES, np.ones(60, int)]),
    "one of three": (OneVsRestClassifier(AdaBoostClassifier(n_estimators=2)), X, THREE),
    "function": (FunctionTransformer(np.sqrt), X, None),
    "threshold": (FixedThresholdClassifier(LogisticRegression()), X, CLASSES),
}  # fmt: skip
FORGED: dict[str, list[Callable[[Any], None]]] = {
    "tree": [
        having(tree_=nodes(left_child=FAR)), having(tree_=nodes(left_child=-5)),
        having(tree_=nodes(left_child=0, right_child=0)),
        having(tree_=nodes(feature=FAR)), having(tree_=nodes(feature=-FAR)), having(tree_=nodes(values=lambda v: v[:1])),
        having(tree_=nodes(node_count=FAR)), having(n_features_in_=3), having(n_outputs_=2),
        lambda model: vars(model).update(tree_=wider_tree().tree_),
    ],
    "forest": [
        having(estimators_=lambda trees: [trees[0], wider_tree(), trees[2]]), having(estimators_=[]),
        having(estimators_=lambda trees: [*trees, LinearRegression()]), having(n_features_in_=3),
    ],
    "extra": [having(estimators_=lambda trees: [*trees[:2], wider_tree(DecisionTreeRegressor)])],
    "isolation": [
        having(estimators_features_=lambda parts: [part + 1000 for part in parts]),
        having(estimators_features_=lambda parts: parts[:1]), having(_max_features=4), having(_max_features=None),
        having(estimators_features_=None), having(estimators_=lambda trees: [wider_tree(), *trees[1:]]),
    ],
    "boosted": [
        having(n_trees_per_iteration_=500), having(estimators_=lambda trees: np.repeat(trees, 200, axis=1)),
        having(estimators_=first("two", wider_tree(DecisionTreeRegressor))),
        having(estimators_=first("two", wider_tree(DecisionTreeRegressor, 3))), having(estimators_=first("two", "x")),
        having(init_=DummyClassifier().fit(X, THREE)), having(init_=DummyClassifier(strategy="uniform").fit(X, CLASSES)),
        having(init_=DummyClassifier().fit(X, np.c_[CLASSES, CLASSES])), having(init_=LogisticRegression().fit(X, CLASSES)),
        links, having(_loss=None), inside("init_", class_prior_=np.zeros(0)), inside("init_", n_outputs_=2),
    ],
    "boosted three": [
        having(init_=DummyClassifier().fit(X, CLASSES)), inside("init_", class_prior_=np.ones((3, 1))), links,
        lambda model: vars(model).update(_loss=GradientBoostingClassifier(n_estimators=1).fit(X, CLASSES)._loss),
    ],
    "boosted numbers": [
        having(init_=DummyRegressor().fit(X, X)), inside("init_", constant_=np.zeros((1, 0))), inside("init_", n_outputs_=0),
        having(init_=LinearRegression().fit(X, X)), having(init_=KNeighborsRegressor().fit(X, X[:, 0])), links,
    ],
    "boosted linear": [inside("init_", coef_=np.zeros((0, 4))), inside("init_", intercept_=np.zeros((5, 1)))],
    "histogram": [
        predictor(left=FAR), predictor(left=0), predictor(feature_idx=FAR), predictor(feature_idx=-FAR),
        predictor(is_categorical=1), predictor(is_categorical=1, bitset_idx=FAR),
        inside("_predictors.0.0", nodes=lambda n: n[:0]), inside("_predictors.0.0", nodes=lambda n: n.view("u1").reshape(-1)),
        inside("_bin_mapper", is_categorical_=np.zeros(0, np.uint8)), having(n_features_in_=2),
    ],
    "categorical": [
        inside("_bin_mapper", bin_thresholds_=lambda bins: [np.array([1e9]), *bins[1:]]), predictor(bitset_idx=FAR),
        predictor(feature_idx=3, is_categorical=1), having(_preprocessor=OneHotEncoder().fit(X.round())),
        inside("_preprocessor", transformers_=lambda parts: parts[:1]),
        inside("_preprocessor", transformers_=lambda parts: [(parts[0][0], OneHotEncoder().fit(X[:, :1]), parts[0][2]),
        parts[1]]),
        inside("_preprocessor", _transformer_to_input_indices=lambda places: {**places, "numerical": [1]}),
        inside("_preprocessor.transformers_.1.1", func=np.mean),
    ],
    "vectors": [
        having(_n_support=np.array([1 << 28, 1 << 28], np.int32)), having(_n_support=np.array([-5, 5], np.int32)),
        having(_n_support=lambda counts: counts[:1]), having(support_vectors_=lambda a: a[:2]),
        having(support_vectors_=narrow),
        having(_dual_coef_=narrow), having(support_=lambda a: a[:1]), having(_intercept_=np.zeros(0)),
        having(classes_=np.arange(50), class_weight_=np.ones(50)), having(kernel=np.square), having(probability=True),
        having(_effective_probability=True),
    ],
    "sparse vectors": [
        having(support_vectors_=part("indices", slice(None), FAR)), having(support_vectors_=part("indptr", 3, FAR)),
        having(support_vectors_=part("indptr", slice(-2, None), [-(1 << 31), -1])),  # as if each rose
        having(_n_support=np.array([1 << 20, 9], np.int32)), having(_dual_coef_=sp.csr_matrix(np.ones((1, 1)))),
        having(kernel="precomputed", shape_fit_=(4, 4)), having(_effective_probability=True), having(probability=True),
    ],
    "precomputed": [having(support_=lambda a: a + FAR), having(_sparse=True), having(shape_fit_=(FAR, FAR))],
    "regression": [
        having(_n_support=np.full(1000, 2, np.int32)), having(_n_support=lambda counts: counts[:1]),
        having(_effective_probability=True),
    ],
    "one class": [having(_intercept_=np.zeros(0)), having(_n_support=lambda counts: counts + 1)],
    "k-d": [
        having(_tree=neighbors(1, lambda a: a + FAR)), having(_tree=neighbors(1, lambda a: a - FAR)),
        having(_tree=neighbors(2, field("idx_end", FAR))), having(_tree=neighbors(2, field("is_leaf", 0))),
        having(_tree=neighbors(3, lambda a: np.ascontiguousarray(a[:, :1]))),
        having(_tree=neighbors(0, lambda a: a[:2].copy())),
        having(_tree=neighbors(6, lambda n: FAR)), having(_y=lambda a: a[:2]), having(_y=lambda a: a + FAR),
    ],
    "ball": [having(_tree=neighbors(1, lambda a: a + FAR)), having(_tree=neighbors(2, field("is_leaf", 0)))],
    "brute": [
        having(_y=lambda a: a + FAR), having(_fit_X=narrow), having(n_samples_fit_=FAR), having(_fit_X=lambda a: a[:5]),
        having(_fit_X=lambda a: a.tolist()),
    ],
    "brute numbers": [having(_fit_X=narrow), having(n_samples_fit_=FAR)],
    "nearest": [having(_fit_X=narrow), having(n_samples_fit_=1)],
    "outliers": [having(_fit_X=narrow)],
    "sparse neighbours": [
        having(_fit_X=part("indices", slice(None), FAR)), having(_fit_X=part("indptr", 5, FAR)), having(n_features_in_=2),
    ],
    "k-means": [
        having(cluster_centers_=narrow), having(cluster_centers_=np.zeros((0, 4))), having(_n_threads=1 << 20),
        having(_n_threads=0), having(_n_threads=-1),
    ],
    "batches": [having(cluster_centers_=narrow), having(_n_threads=1 << 20)],
    "bisected": [
        inside("_bisecting_tree.left", center=np.zeros(1)), cyclic, having(_X_mean=np.zeros(1)), having(_bisecting_tree=None),
        inside("_bisecting_tree", left=None), having(_n_threads=1 << 20),
    ],
    "shifted": [having(cluster_centers_=narrow)],
    "exemplars": [having(cluster_centers_=narrow)],
    "birch": [having(_subcluster_norms=np.ones(1)), having(subcluster_centers_=narrow)],
    "factors": [having(_n_components=FAR), having(components_=np.ones((400, 4)))],
    "batch factors": [having(_n_components=FAR), having(components_=np.ones((400, 4)))],
    "splines": [
        inside("bsplines_.0", k=50), inside("bsplines_.0", _t=np.zeros(2)), inside("bsplines_.0", _c=np.zeros((1, 1))),
        inside("bsplines_.0", _t=lambda t: t[::-1].copy()),
    ],
    "texts": [having(vocabulary_={"bc": FAR}), having(vocabulary_={"bc": -1}), having(vocabulary_={"bc": 1.0})],
    "hashed": [having(n_features=0), having(n_features=-8), having(n_features=1 << 40)],
    "records": [having(vocabulary_={"a": FAR}), having(vocabulary_=["a"])],
    "features": [having(n_features=0), having(n_features=8.0)],
    "one hot": [
        having(_n_features_outs=[1, 1, 1, 1]), having(_n_features_outs=lambda counts: [-5, *counts[1:]]),
        having(categories_=lambda known: [known[0][::-1].copy(), *known[1:]]), having(categories_=lambda known: known[:2]),
        having(_drop_idx_after_grouping=np.array([-5, 0, 0, 0])),
        having(_infrequent_enabled=True, _infrequent_indices=[np.array([FAR])] * 4,
        _default_to_infrequent_mappings=[None] * 4),
    ],
    "dropped": [
        having(_drop_idx_after_grouping=np.array([-5, 0, 0, 0])), having(_drop_idx_after_grouping=np.array([FAR, 0, 0, 0])),
        having(_drop_idx_after_grouping=None),
    ],
    "rare": [
        having(_default_to_infrequent_mappings=lambda maps: [a if a is None else a * 0 + FAR for a in maps]),
        having(_default_to_infrequent_mappings=lambda maps: [None] * len(maps)),
        having(_infrequent_indices=lambda rare: [a if a is None else a + FAR for a in rare]),
        having(_infrequent_enabled=False),
    ],
    "labels": [having(_cached_dict={"a": FAR}), having(_cached_dict={"a": 0, "b": 1, "c": 2, "d": 3}),
    having(_cached_dict=["a"])],
    "sparse coefficients": [
        having(coef_=lambda a: part("indices", 0, FAR)(sp.csr_matrix(a))),
        having(coef_=lambda a: part("indptr", -1, FAR)(sp.csr_matrix(a))),
        having(coef_=lambda a: part("indptr", 0, -FAR)(sp.csr_matrix(a))),
        having(coef_=lambda a: part("indptr", slice(None), [0, -(1 << 29)])(sp.csr_matrix(a))),
    ],
    "chain": [having(chain_method_="fit"), having(chain_method_="__reduce__"), having(n_jobs=FAR)],
    "several": [
        inside("estimators_.0", coef_=np.ones((9, 4))), inside("estimators_.0", intercept_=np.ones(9)),
        having(estimators_=[AdaBoostClassifier(n_estimators=2).fit(X, THREE)] * 2),
        having(estimators_=[GradientBoostingClassifier(n_estimators=2).fit(X, THREE)] * 2), having(estimators_=[None, None]),
        having(estimators_=[SVC(decision_function_shape="ovr").fit(X, THREE)] * 2), having(label_binarizer_=None),
    ],
    "several steps": [
        inside("estimators_.0.steps.1.1", coef_=np.ones((9, 4))), inside("estimators_.0", steps=[]),
        inside("estimators_.0", steps=[("a", StandardScaler()), ("b", AdaBoostClassifier(n_estimators=2).fit(X, THREE))]),
    ],
    "several always": [inside("estimators_.1", y_=np.zeros(900))],
    "one of three": [inside("label_binarizer_", y_type_="multilabel-indicator")],
    "function": [having(kw_args={"out": np.zeros((900, 4))}), having(kw_args={"where": [[True]]}),
        having(kw_args=[("a", 1)])],
    "threshold": [having(response_method="fit"), having(response_method=["predict", "__init__"])],
}  # fmt: skip
CASES = [(name, number) for name, changes in FORGED.items() for number in range(len(changes))]


@functools.cache
def fitted(name: str) -> bytes:
    estimator, inputs, targets = FITS[name]
    return pickle.dumps(estimator.fit(inputs) if targets is None else estimator.fit(inputs, targets))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FITS)
def test_what_is_not_forged_is_built(name: str, made: Any) -> None:
    """So that the refusals below are for the right reason."""
    assert type(made(fitted(name))) is type(FITS[name][0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "number"), CASES, ids=[f"{name} {number}" for name, number in CASES])
def test_what_compiled_code_would_trip_over_is_refused(name: str, number: int, made: Any) -> None:
    """Where it is built, not only when it is used."""
    model = pickle.loads(fitted(name))
    FORGED[name][number](model)
    with pytest.raises(Unfollowable):
        made(pickle.dumps(model))

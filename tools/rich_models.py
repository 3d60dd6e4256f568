"""Richer models than scikit-learn's own list of estimators: pipelines, estimators of estimators, settings that bring others.

`models()` yields what is built from a stranger's file, `others()` what is refused, and why that is right.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans, MeanShift, MiniBatchKMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import NMF, PCA, LatentDirichletAllocation
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import RFECV, SelectKBest, SequentialFeatureSelector, chi2, mutual_info_classif
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    RANSACRegressor,
    Ridge,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.metrics import f1_score, make_scorer
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.naive_bayes import CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    RadiusNeighborsClassifier,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    LabelBinarizer,
    MultiLabelBinarizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

_random = np.random.RandomState(0)
X = _random.randn(90, 5).round(2)
POSITIVE = np.abs(X)
GAPS = np.where(X > 1, np.nan, X)
CLASSES = (X[:, 0] + X[:, 1] > 0).astype(int)
NAMES = np.array(["no", "yes"])[CLASSES]
THREE = CLASSES + (X[:, 2] > 1)
NUMBERS = X[:, 0] * 2 + _random.rand(90)
CATEGORIES = np.c_[np.abs(X[:, :1].round()), X[:, 1:]]
MIXED = np.array([[*row, letter] for row, letter in zip(X[:, :2].tolist(), "xyz" * 30, strict=True)], dtype=object)
TEXTS = ["a cat sat", "the dog ran", "cat ran off"] * 30
RECORDS = [{"a": 1, "b": 2.0, "c": "x"}, {"a": 2, "c": "y"}] * 45
LABELS = [("a",), ("b", "c"), ("a", "c")] * 30


def models(only: str | None = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each model, the fitted model, and inputs for it; of those that have a text in their name."""
    for name, (estimator, inputs, targets) in _models().items():
        if only is None or only in name:
            yield name, estimator.fit(inputs) if targets is None else estimator.fit(inputs, targets), inputs


def _models() -> dict[str, tuple[Any, Any, Any]]:
    boosted, histogram = GradientBoostingRegressor, HistGradientBoostingRegressor
    return {
        "forest, labels as texts": (RandomForestClassifier(5), X, NAMES),
        "forest, two targets": (RandomForestClassifier(5), X, np.c_[CLASSES, THREE]),
        "forest, out of bag": (RandomForestClassifier(20, oob_score=True), X.astype("f4"), THREE),
        "forest, monotonic": (RandomForestRegressor(5, monotonic_cst=[1, 0, 0, 0, 0]), X, NUMBERS),
        "forest, embedding": (RandomTreesEmbedding(3), X, None),
        "tree, gaps": (DecisionTreeClassifier(), GAPS, CLASSES),
        "boosting, a first estimator": (
            boosted(n_estimators=3, init=LinearRegression(), loss="quantile"), X, NUMBERS,
        ),
        "boosting, from zero": (boosted(n_estimators=3, init="zero"), X, NUMBERS),
        "boosting, Huber": (boosted(n_estimators=3, loss="huber"), X, NUMBERS),
        "boosting, three classes": (GradientBoostingClassifier(n_estimators=3), X, THREE),
        "boosting, exponential": (
            GradientBoostingClassifier(n_estimators=9, loss="exponential", n_iter_no_change=2), X, CLASSES,
        ),
        "histogram, categories": (HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]), CATEGORIES, CLASSES),
        "histogram, three classes": (HistGradientBoostingClassifier(max_iter=3), X, THREE),
        "histogram, Poisson": (histogram(max_iter=3, loss="poisson"), X, abs(NUMBERS)),
        "histogram, gamma": (histogram(max_iter=3, loss="gamma"), X, abs(NUMBERS) + 1),
        "histogram, quantile": (histogram(max_iter=3, loss="quantile", quantile=0.3), X, NUMBERS),
        "histogram, absolute": (histogram(max_iter=3, loss="absolute_error"), X, NUMBERS),
        "histogram, early stop": (
            HistGradientBoostingClassifier(max_iter=9, early_stopping=True), X, CLASSES,
        ),
        "vectors, sparse": (SVC(), sp.csr_matrix(X), THREE),
        "vectors, precomputed": (SVC(kernel="precomputed"), X @ X.T, CLASSES),
        "vectors, one against one": (NuSVC(decision_function_shape="ovo", nu=0.1), X, THREE),
        "vectors, regression": (SVR(kernel="linear"), X, NUMBERS),
        "vectors, probabilities": (CalibratedClassifierCV(SVC(), cv=2), X, CLASSES),
        "linear vectors": (LinearSVC(), X, NAMES),
        "neighbours, ball tree": (KNeighborsClassifier(algorithm="ball_tree"), X, NAMES),
        "neighbours, Manhattan": (KNeighborsClassifier(algorithm="kd_tree", metric="manhattan"), X, CLASSES),
        "neighbours, Minkowski": (KNeighborsClassifier(algorithm="kd_tree", p=3), X, CLASSES),
        "neighbours, variances": (
            KNeighborsClassifier(algorithm="ball_tree", metric="seuclidean", metric_params={"V": np.ones(5)}), X, CLASSES,
        ),
        "neighbours, haversine": (KNeighborsRegressor(algorithm="ball_tree", metric="haversine"), X[:, :2], NUMBERS),
        "neighbours, sparse": (KNeighborsClassifier(), sp.csr_matrix(X), CLASSES),
        "neighbours, two targets": (KNeighborsClassifier(), X, np.c_[CLASSES, THREE]),
        "neighbours, radius": (RadiusNeighborsClassifier(9.0, outlier_label="most_frequent"), X, CLASSES),
        "outliers": (LocalOutlierFactor(novelty=True), X, None),
        "outliers, forest": (IsolationForest(n_estimators=5, max_features=0.6), X, None),
        "density": (KernelDensity(), X, None),
        "texts": (
            make_pipeline(TfidfVectorizer(stop_words="english", ngram_range=(1, 2)), LogisticRegression()), TEXTS, CLASSES,
        ),
        "texts, hashed": (make_pipeline(HashingVectorizer(n_features=64), SGDClassifier()), TEXTS, CLASSES),
        "texts, selected": (
            make_pipeline(CountVectorizer(dtype=np.float32), SelectKBest(chi2, k=3), MultinomialNB()), TEXTS, CLASSES,
        ),
        "records": (make_pipeline(DictVectorizer(), LogisticRegression()), RECORDS, CLASSES),
        "records, hashed": (make_pipeline(FeatureHasher(16), SGDClassifier()), RECORDS, CLASSES),
        "columns": (
            make_pipeline(
                ColumnTransformer(
                    [
                        ("numbers", StandardScaler(), [0, 1]),
                        ("letters", OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2), [2]),
                    ]
                ),
                LogisticRegression(),
            ),
            MIXED, NAMES,
        ),
        "columns, slices": (
            ColumnTransformer([("numbers", StandardScaler(), slice(0, 2)), ("rest", "passthrough", [3])]), X, None,
        ),
        "columns, dropped categories": (OneHotEncoder(drop="if_binary", sparse_output=False), CATEGORIES.round(), None),
        "columns, ordinal": (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), MIXED[:, 2:], None),
        "columns, target": (TargetEncoder(), MIXED[:, 2:], CLASSES),
        "columns, union": (FeatureUnion([("main", PCA(2)), ("bins", KBinsDiscretizer(3))]), X, None),
        "columns, a function": (
            make_pipeline(FunctionTransformer(np.log1p, inverse_func=np.expm1), StandardScaler()), POSITIVE, None,
        ),
        "columns, for pandas": (StandardScaler().set_output(transform="default"), X, None),
        "search, scorers": (
            GridSearchCV(
                SVC(), {"C": [1, 2], "kernel": ["rbf", "linear"]}, scoring={"a": "accuracy", "f": "f1_macro"}, refit="a",
                cv=StratifiedKFold(2),
            ),
            X, CLASSES,
        ),
        "search, own scorer": (GridSearchCV(Ridge(), {"alpha": [1, 2]}, scoring="r2", cv=2), X, NUMBERS),
        "search, made scorer": (
            GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring=make_scorer(f1_score, average="macro"), cv=2),
            X, CLASSES,
        ),
        "search, random": (
            RandomizedSearchCV(Ridge(), {"alpha": np.logspace(-2, 1, 5)}, n_iter=3, cv=3, random_state=0), X, NUMBERS,
        ),
        "stacked": (StackingClassifier([("a", SVC()), ("b", RandomForestClassifier(3))]), X, NAMES),
        "voting": (VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"), X, CLASSES),
        "calibrated": (CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2), X, CLASSES),
        "bagged": (BaggingClassifier(KNeighborsClassifier(), 4, max_features=0.6, bootstrap_features=True), X, CLASSES),
        "boosted trees": (AdaBoostRegressor(n_estimators=3), X, NUMBERS),
        "one against rest": (OneVsRestClassifier(LinearSVC()), X, THREE),
        "chain": (ClassifierChain(LogisticRegression()), X, np.c_[CLASSES, 1 - CLASSES]),
        "two targets": (MultiOutputRegressor(Ridge()), X, np.c_[NUMBERS, NUMBERS]),
        "process": (
            GaussianProcessRegressor(
                ConstantKernel() * RBF(np.ones(5)) + WhiteKernel(), random_state=np.random.RandomState(1)
            ),
            X, NUMBERS,
        ),
        "process, three classes": (GaussianProcessClassifier(Matern()), X, THREE),
        "network": (MLPClassifier(hidden_layer_sizes=(4,), max_iter=5, early_stopping=True), X, NAMES),
        "network, regression": (MLPRegressor(hidden_layer_sizes=(4,), solver="sgd", max_iter=5), X, NUMBERS),
        "gaps filled": (SimpleImputer(strategy="most_frequent", add_indicator=True), GAPS, None),
        "gaps filled by neighbours": (KNNImputer(), GAPS, None),
        "splines": (SplineTransformer(extrapolation="linear"), X, None),
        "splines, sparse": (SplineTransformer(sparse_output=True), X, None),
        "quantiles": (QuantileTransformer(n_quantiles=20, output_distribution="normal"), X, None),
        "powers": (PowerTransformer(), X, None),
        "factors": (NMF(2), POSITIVE, None),
        "topics": (LatentDirichletAllocation(2), POSITIVE.round(), None),
        "kernel": (Nystroem(n_components=5), X, None),
        "frozen": (FrozenEstimator(Ridge().fit(X, NUMBERS)), X, NUMBERS),
        "consensus": (RANSACRegressor(random_state=0), X, NUMBERS),
        "logistic, crossed": (LogisticRegressionCV(cv=2, Cs=3), X, THREE),
        "logistic, sparse": (LogisticRegression(), sp.csr_matrix(X), CLASSES),
        "Tweedie": (TweedieRegressor(power=1.5), X, abs(NUMBERS)),
        "descent, Huber": (SGDRegressor(loss="huber"), X, NUMBERS),
        "ridge, crossed": (RidgeCV(scoring="neg_mean_squared_error"), X, NUMBERS),
        "threshold": (TunedThresholdClassifierCV(LogisticRegression(), scoring="f1", cv=2), X, CLASSES),
        "target, transformed": (
            TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), X, abs(NUMBERS),
        ),
        "clusters, bisected": (BisectingKMeans(3), X, None),
        "clusters, small batches": (MiniBatchKMeans(3), X.astype("f4"), None),
        "clusters, Birch": (Birch(n_clusters=3), X, None),
        "clusters, shifted": (MeanShift(), X, None),
        "clusters, exemplars": (AffinityPropagation(damping=0.9), X, None),
        "mixture": (GaussianMixture(2, covariance_type="tied"), X, None),
        "features, eliminated": (RFECV(LinearSVC(), cv=2), X, CLASSES),
        "features, in turn": (SequentialFeatureSelector(Ridge(), n_features_to_select=2, cv=2), X, NUMBERS),
        "features, informative": (SelectKBest(mutual_info_classif, k=2), X, CLASSES),
        "labels": (LabelBinarizer(sparse_output=True), NAMES, None),
        "labels, several": (MultiLabelBinarizer(), LABELS, None),
        "Bayes, categories": (CategoricalNB(), CATEGORIES[:, :1], CLASSES),
    }  # fmt: skip


def own(values: Any) -> Any:
    """Return values as they are; stands for a function of whoever made a model."""
    return values


def others() -> Iterator[tuple[str, Any, str]]:
    """Yield models that are refused: name, fitted model, and why that is right."""
    numbers = FunctionTransformer(own)
    yield "columns, a lambda", ColumnTransformer([("a", FunctionTransformer(lambda x: x), [0])]).fit(X), "stores code"
    yield "columns, a function of one's own", make_pipeline(numbers, Ridge()).fit(X, NUMBERS), "calls what no list has"
    yield (
        "columns, a partial",
        FunctionTransformer(functools.partial(np.round, decimals=1)).fit(X),
        "calls what no list has",
    )
    yield (
        "columns, a chooser",
        ColumnTransformer([("a", StandardScaler(), lambda x: [0])]).fit(X),
        "stores code",
    )
    stopped = HistGradientBoostingClassifier(max_iter=9, early_stopping=True, scoring="roc_auc").fit(X, CLASSES)
    yield "histogram, early stop by a scorer", stopped, "keeps a method of an object, which pickles fetch by getattr"
    yield "results in a folder", make_pipeline(StandardScaler(), Ridge(), memory="cache").set_params(), "writes files"
    yield "texts in files", CountVectorizer(input="filename"), "opens files"
    yield "a kernel of one's own", SVC(kernel=own), "calls what no list has"
    yield (
        "boosting, a forest first",
        GradientBoostingRegressor(n_estimators=2, init=RandomForestRegressor(2)).fit(X, NUMBERS),
        "compiled code writes into what another estimator answers, of a shape that nothing tells",
    )

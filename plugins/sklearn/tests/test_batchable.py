"""Calls of several callers are merged only where each row is answered by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import make_scorer
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import tiffin

X, y = load_iris(return_X_y=True)


class Own(ClassifierMixin, BaseEstimator):
    """A user's own: it may look at the whole batch."""

    def fit(self, X: Any, y: Any = None) -> Own:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), len(X))


class OwnTransformer(TransformerMixin, BaseEstimator):
    """A user's own transformer: it centres each batch by itself."""

    def fit(self, X: Any, y: Any = None) -> OwnTransformer:
        return self

    def transform(self, X: Any) -> Any:
        return X - np.mean(X, axis=0)


class OwnForest(RandomForestClassifier):
    """Derived from a standard one, and no standard one."""


def manhattan(one: Any, other: Any) -> float:
    """Return a distance."""
    return float(np.abs(one - other).sum())


def precomputed(one: Any, other: Any) -> Any:
    """Return a kernel of two sets of rows."""
    return one @ other.T


BATCHABLE: dict[str, tuple[Any, str]] = {
    "classifier": (LogisticRegression(max_iter=500), "predict"),
    "forest": (RandomForestClassifier(3), "predict"),
    "pipeline": (make_pipeline(StandardScaler(), SVC()), "predict"),
    "pipeline with a gap": (Pipeline([("scale", None), ("through", "passthrough"), ("svc", SVC())]), "predict"),
    "grid search": (GridSearchCV(SVC(), {"C": [1, 2]}, cv=2), "predict"),
    "grid search with a scorer": (GridSearchCV(SVC(), {"C": [1]}, cv=2, scoring="accuracy"), "predict"),
    "voting": (VotingClassifier([("a", SVC()), ("b", DecisionTreeClassifier())]), "predict"),
    "stacking": (StackingClassifier([("a", SVC()), ("b", DecisionTreeClassifier())], cv=2), "predict"),
    "calibrated": (CalibratedClassifierCV(SVC(), cv=2), "predict"),
    "columns": (make_pipeline(make_column_transformer((StandardScaler(), [0, 1]), remainder="drop"), SVC()), "predict"),
    "union": (make_pipeline(FeatureUnion([("a", PCA(2)), ("b", StandardScaler())]), SVC()), "predict"),
    "outliers": (LocalOutlierFactor(novelty=True), "predict"),
    "standard function as a kernel": (SVC(kernel=rbf_kernel), "predict"),
    "k-means": (KMeans(2, n_init=1), "predict"),
    "transformer": (StandardScaler(), "transform"),
    "pipeline of transformers": (make_pipeline(StandardScaler(), PCA(2)), "transform"),
}

NOT_BATCHABLE: dict[str, tuple[Any, str]] = {
    "own estimator": (Own(), "predict"),
    "derived from a standard one": (OwnForest(3), "predict"),
    "own transformer": (OwnTransformer(), "transform"),
    "own transformer in a pipeline": (make_pipeline(OwnTransformer(), SVC()), "predict"),
    "own estimator in a grid search": (GridSearchCV(Own(), {}, cv=2), "predict"),
    "own estimator in a vote": (VotingClassifier([("a", SVC()), ("b", Own())]), "predict"),
    "own transformer for some columns": (
        make_pipeline(ColumnTransformer([("a", OwnTransformer(), [0])]), SVC()),
        "predict",
    ),
    "own transformer deep inside": (
        make_pipeline(FeatureUnion([("a", make_pipeline(StandardScaler(), OwnTransformer()))]), SVC()),
        "predict",
    ),
    "function": (FunctionTransformer(np.log1p), "transform"),
    "function in a pipeline": (make_pipeline(FunctionTransformer(np.log1p), SVC()), "predict"),
    "function as a kernel": (SVC(kernel=precomputed), "predict"),
}


@pytest.mark.parametrize("kind", BATCHABLE)
def test_standard_estimators_that_work_by_row_are_batchable(kind: str) -> None:
    """And really answer as for each row alone."""
    estimator, method = BATCHABLE[kind]
    fitted = estimator.fit(X, y)
    signature = tiffin.save("x", fitted).info.signatures
    assert {name: value.batchable for name, value in signature.items()} == {method: True}
    call = getattr(fitted, method)
    np.testing.assert_allclose(
        call(X[::10]), np.concatenate([call(X[row : row + 1]) for row in range(0, len(X), 10)]), atol=1e-9
    )


TEXTS = ["the tea is hot", "the oil is cold", "hot hot oil", ""]
PAIRS = np.array([["tea", "s"], ["oil", "m"], ["tea", "l"], ["salt", "s"]], dtype=object)
OF_OTHER_VALUES: dict[str, tuple[Any, Any]] = {
    "counts": (CountVectorizer(), TEXTS),
    "tf-idf": (TfidfVectorizer(), TEXTS),
    "hashes": (HashingVectorizer(n_features=16), TEXTS),
    "texts in a pipeline": (make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0)), TEXTS),
    "one-hot": (OneHotEncoder(), PAIRS),
    "one-hot, dense": (OneHotEncoder(sparse_output=False, dtype=float), PAIRS),
    "ordinal": (OrdinalEncoder(dtype=np.float32), PAIRS),
    "columns": (make_column_transformer((OneHotEncoder(), [0]), (OrdinalEncoder(), [1]), sparse_threshold=1), PAIRS),
}


def dense(result: Any) -> Any:
    return result.toarray() if hasattr(result, "toarray") else result


@pytest.mark.parametrize("kind", OF_OTHER_VALUES)
def test_encoders_and_vectorisers_are_batchable_and_answer_each_caller(kind: str) -> None:
    """Calls with lists of texts, and arrays of categories, merge; sparse answers come apart as dense ones do."""
    estimator, values = OF_OTHER_VALUES[kind]
    fitted = estimator.fit(values)
    model = tiffin.save("x", fitted)
    assert model.info.signatures["transform"].batchable

    async def all_at_once(runner: Any) -> Any:
        handle = runner.transform.options(explain=True)
        return await asyncio.gather(*(handle.async_run(values[row : row + 1]) for row in range(len(values))))

    with model.to_runner() as runner:
        answers = asyncio.run(all_at_once(runner))
    assert max(answer.explanation.batch_rows for answer in answers) == 4
    expected = fitted.transform(values)
    for row, answer in enumerate(answers):
        assert type(answer.result) is type(expected)
        np.testing.assert_allclose(dense(answer.result), dense(expected[row : row + 1]))


def test_probabilities_of_several_outputs_are_never_cut_into_rows() -> None:
    """As many outputs as rows: whoever declares them batchable is told, and nobody gets an output for a row."""
    several = np.column_stack([y % 2, y % 3 > 0, y > 1])
    fitted = RandomForestClassifier(3, random_state=0).fit(X, several)
    model = tiffin.save("x", fitted, signatures={"predict_proba": {"batchable": True}})

    async def three(runner: Any) -> Any:
        calls = (runner.predict_proba.async_run(X[row : row + 1]) for row in (0, 60, 120))
        return await asyncio.gather(*calls, return_exceptions=True)

    with model.to_runner() as runner:
        assert [type(answer) for answer in asyncio.run(three(runner))] == [tiffin.exceptions.BatchRowsError] * 3
        whole = runner.predict_proba.run(X[:3])
    assert [output.tolist() for output in whole] == [output.tolist() for output in fitted.predict_proba(X[:3])]


def test_a_limit_of_batches_for_a_method_that_does_not_merge_is_told_once() -> None:
    """Who asks for larger batches learns that there are none, and of which methods."""
    model = tiffin.save("x", Own().fit(X, y))
    with pytest.warns(
        tiffin.exceptions.NotBatchableWarning, match=r"'predict' of model.*do not merge, whatever max_batch_size"
    ) as caught:
        model.to_runner(max_batch_size=50)
    assert [warned.message.methods for warned in caught] == [("predict",)]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", NOT_BATCHABLE)
def test_what_might_look_at_the_whole_batch_is_not_batchable(kind: str) -> None:
    """Somebody else's estimator, and functions, wherever they stand inside."""
    estimator, method = NOT_BATCHABLE[kind]
    signature = tiffin.save("x", estimator.fit(np.abs(X), y)).info.signatures
    assert {name: value.batchable for name, value in signature.items()} == {method: False}


def test_a_user_may_say_otherwise() -> None:
    """Who knows that the own estimator works by row says so."""
    saved = tiffin.save("x", Own().fit(X, y), signatures={"predict": {"batchable": True}})
    assert saved.info.signatures["predict"].batchable


@pytest.mark.parametrize("estimator", [DBSCAN(), AgglomerativeClustering(2), TSNE(), LocalOutlierFactor()])
def test_estimators_without_predict_and_transform_have_no_default_signature(estimator: Any) -> None:
    """They answer for the rows that they were fitted on."""
    saved = tiffin.save("x", estimator.fit(X) if not isinstance(estimator, TSNE) else estimator)
    assert saved.info.signatures == {}


def test_a_metric_of_ones_own_is_a_function_too() -> None:
    """It gets two rows, but a kernel gets all of them; neither is looked into."""
    saved = tiffin.save("x", KNeighborsClassifier(metric=manhattan).fit(X, y))
    assert not saved.info.signatures["predict"].batchable


def test_a_scorer_is_not_part_of_predicting() -> None:
    """A search with a scorer of one's own still predicts by row."""
    search = GridSearchCV(SVC(), {"C": [1]}, cv=2, scoring=make_scorer(lambda truth, found: 1.0)).fit(X, y)
    assert tiffin.save("x", search).info.signatures["predict"].batchable

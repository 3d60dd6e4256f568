"""Estimators and pipelines are stored, and predict the same after loading, in another process too."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import tiffin
import tiffin_sklearn
from tiffin.exceptions import ModelTypeError, SignatureError, UnfittedModelWarning

IRIS = load_iris()
X, y = IRIS.data, IRIS.target

ESTIMATORS = {
    "logistic regression": lambda: LogisticRegression(max_iter=500),
    "linear regression": LinearRegression,
    "tree": DecisionTreeClassifier,
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "neighbours": KNeighborsClassifier,
    "support vectors": SVC,
    "k-means": lambda: KMeans(3, n_init=1, random_state=0),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", OneHotEncoder(handle_unknown="ignore"), [2])]), SVC()
    ),
    "grid search": lambda: GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_predictions_are_equal_after_loading(kind: str) -> None:
    """To the last bit; the saved object is not changed."""
    fitted = ESTIMATORS[kind]().fit(X, y)
    before = fitted.predict(X)
    saved = tiffin.save("iris", fitted)
    assert saved.framework == "sklearn"
    loaded = tiffin.load("iris")
    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(loaded.predict(X), before)
    np.testing.assert_array_equal(fitted.predict(X), before)
    np.testing.assert_array_equal(tiffin.sklearn.load_model(saved.tag).predict(X), before)


def test_a_model_loads_in_another_process(run: Any, tmp_path: Path) -> None:
    """Which needs nothing but the store."""
    fitted = RandomForestClassifier(10, random_state=0).fit(X, y)
    tiffin.sklearn.save_model("iris", fitted)
    np.save(tmp_path / "wanted.npy", fitted.predict_proba(X))
    run(f"""
        import numpy as np, sys, tiffin
        model = tiffin.load("iris")
        from sklearn.datasets import load_iris
        assert (model.predict_proba(load_iris().data) == np.load({str(tmp_path / "wanted.npy")!r})).all()
    """)


def test_an_estimator_of_main_loads_in_another_process(run: Any) -> None:
    """A class of a notebook is stored by value."""
    run("""
        import numpy as np, tiffin
        from sklearn.base import BaseEstimator, ClassifierMixin
        class Constant(ClassifierMixin, BaseEstimator):
            def __init__(self, value=3): self.value = value
            def fit(self, X, y=None): return self
            def predict(self, X): return np.full(len(X), self.value)
        saved = tiffin.save("constant", Constant(7).fit([[1]]))
        assert saved.framework == "sklearn"
        assert not saved.info.signatures["predict"].batchable
    """)
    assert run("import tiffin; print(tiffin.load('constant').predict([[1], [2]]).tolist())").strip() == "[7, 7]"


def test_a_big_forest_is_whole_and_its_arrays_are_stored_once() -> None:
    """Two versions of one forest share their large files."""
    rng = np.random.default_rng(0)
    features, target = rng.random((4000, 20)), rng.random(4000)
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(30, random_state=0).fit(features, target)
    model = tiffin.save("forest", forest)
    tiffin.save("forest", forest)
    assert model.size > 5_000_000
    np.testing.assert_array_equal(model.load().predict(features), forest.predict(features))
    usage = tiffin.models.usage()
    assert usage.total <= usage.apparent
    assert tiffin.models.verify() == []


def test_an_estimator_that_is_not_fitted_is_stored_as_it_is() -> None:
    """It fits after loading; saving it warns, saving a fitted one does not."""
    with pytest.warns(UnfittedModelWarning, match="LogisticRegression is saved unfitted"):
        tiffin.save("x", LogisticRegression(max_iter=500))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiffin.save("y", LogisticRegression(max_iter=500).fit(X, y))
    loaded = tiffin.load("x")
    with pytest.raises(NotFittedError):
        loaded.predict(X)
    loaded.fit(X, y)


def test_the_context_records_scikit_learn() -> None:
    """Its version is what loading depends on; a load in the same version does not warn."""
    saved = tiffin.save("x", LinearRegression())
    assert saved.info.context.framework_versions == {"scikit-learn": sklearn.__version__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved.load()


@pytest.mark.parametrize("obj", [{"a": 1}, LinearRegression, len, np.arange(3), "text"])
def test_what_is_no_estimator_is_refused(obj: Any) -> None:
    """Also the class of one."""
    with pytest.raises(
        ModelTypeError, match=r"'sklearn' does not store objects of type .*It stores sklearn\.base\.BaseEstimator"
    ):
        tiffin.sklearn.save_model("x", obj)
    assert tiffin.models.list() == []


def test_specs_are_inferred_from_an_example() -> None:
    """With a free batch axis."""
    signature = tiffin.save("x", LogisticRegression(max_iter=500).fit(X, y), input_example=X[:5]).info.signatures[
        "predict"
    ]
    assert signature.input_spec == {"type": "array", "dtype": "float64", "shape": [None, 4]}
    assert signature.output_spec == {"type": "array", "dtype": "int64", "shape": [None]}


def test_a_fitted_estimator_tells_its_specs() -> None:
    """Features and classes; of several outputs, and of labels that a row may have several of, no classes."""

    def told(model: Any) -> list[Any]:
        signature = tiffin.save("x", model).info.signatures["predict"]
        return [signature.input_spec, signature.output_spec]

    four, ints = {"type": "array", "shape": [None, 4]}, {"type": "array", "dtype": "int64", "shape": [None]}
    logistic = LogisticRegression(max_iter=500)
    assert told(logistic.fit(X, y)) == [four, ints]
    assert told(make_pipeline(StandardScaler(), logistic).fit(X, y)) == [four, ints]
    assert told(logistic.fit(X, np.array(["a", "b", "c"])[y]))[1] == {**ints, "dtype": "str"}
    assert told(DecisionTreeClassifier().fit(X, y)) == [four, ints]
    assert told(DecisionTreeClassifier().fit(X, np.c_[y, y])) == [four, None]
    assert told(MLPClassifier(max_iter=5).fit(X, np.c_[y == 0, y == 1])) == [four, None]
    assert told(LinearRegression().fit(X, y)) == [four, None]
    with pytest.warns(UnfittedModelWarning):
        assert told(LogisticRegression()) == [None, None]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    assert told(logistic.fit(frame, y))[0] == {"type": "frame", "columns": [{"name": name} for name in "abcd"]}


def test_an_example_tells_more_than_the_estimator() -> None:
    """One fitted on arrays takes lists as well; what is given is what is recorded."""
    fitted = LogisticRegression(max_iter=500).fit(X, y)
    signature = tiffin.save("x", fitted, input_example=X[:2].tolist()).info.signatures["predict"]
    assert signature.input_spec["type"] == "list"


def test_signatures_of_ones_own() -> None:
    """Any method of the estimator, and only those."""
    fitted = LogisticRegression(max_iter=500).fit(X, y)
    saved = tiffin.save("x", fitted, signatures={"predict_proba": {"batchable": True}, "score": {}})
    assert list(saved.info.signatures) == ["predict_proba", "score"]
    with pytest.raises(SignatureError, match=r"no method 'predict_probs'.*Did you mean 'predict_proba'"):
        tiffin.save("x", fitted, signatures={"predict_probs": {}})


def test_a_runnable_predicts() -> None:
    """An instance loads the model, and its methods can be called directly."""
    fitted = LogisticRegression(max_iter=500).fit(X, y)
    runnable = tiffin.sklearn.get_runnable(tiffin.save("x", fitted).tag)
    np.testing.assert_array_equal(runnable().predict(X), fitted.predict(X))


def test_the_adapter_stays_small() -> None:
    """Core does the common work."""
    source = inspect.getsource(tiffin_sklearn)
    assert len([line for line in source.splitlines() if line.strip()]) < 80


def test_clusterers_without_predict_have_no_default_signature() -> None:
    """DBSCAN answers for what it was fitted on, and for nothing else."""
    saved = tiffin.save("x", DBSCAN().fit(X))
    assert saved.info.signatures == {}
    assert (tiffin.load("x").labels_ == DBSCAN().fit(X).labels_).all()

"""Estimators from elsewhere load unasked if all that they import is on the list, and the list holds nothing dangerous."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVC

import tiffin
from tiffin import models
from tiffin.exceptions import UntrustedModelError

NUMBERS = np.random.default_rng(0).normal(size=(60, 4))
CLASSES = np.arange(60) % 2
SMALL = [
    RandomForestClassifier(5),
    HistGradientBoostingClassifier(max_iter=3),
    make_pipeline(StandardScaler(), SelectKBest(k=2), LogisticRegression()),
    ColumnTransformer([("a", OneHotEncoder(handle_unknown="ignore"), [0]), ("b", StandardScaler(), [1, 2])]),
    VotingClassifier([("a", SGDClassifier()), ("b", LogisticRegression())]),
    GridSearchCV(KNeighborsClassifier(algorithm="ball_tree"), {"n_neighbors": [1, 3]}, cv=2),
    GaussianProcessRegressor(RBF() + WhiteKernel(), random_state=np.random.RandomState(0)),
    MLPClassifier(hidden_layer_sizes=(3,), max_iter=5),
    SVC(),
    SplineTransformer(),
]


@pytest.fixture
def send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that saves an object elsewhere, and imports it here."""
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))
    elsewhere = tiffin.ModelStore(tmp_path / "elsewhere")

    def send(model: Any) -> Any:
        tag = elsewhere.save("gift", model).tag
        return models.import_model(models.export_model(tag, tmp_path / "gift.tiffin", force=True, store=elsewhere))

    return send


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("estimator", SMALL, ids=lambda estimator: type(estimator).__name__)
def test_a_fitted_estimator_from_elsewhere_loads_unasked(estimator: Any, send: Any) -> None:
    """Estimators, pipelines and searches import only what is on the list."""
    fitted = estimator.fit(NUMBERS, CLASSES)
    gift = send(fitted)
    loaded = gift.load()
    assert models.inspect(gift.tag).verdict == "allowed"
    method = "predict" if hasattr(fitted, "predict") else "transform"
    assert np.allclose(*(_dense(getattr(one, method)(NUMBERS)) for one in (loaded, fitted)))


def _dense(result: Any) -> Any:
    return result.toarray() if hasattr(result, "toarray") else result


def test_a_vectorizer_of_texts_loads_unasked(send: Any) -> None:
    """Sparse matrices and vocabularies too."""
    fitted = TfidfVectorizer().fit(["a cat", "a dog"])
    loaded = send(fitted).load()
    assert np.allclose(_dense(loaded.transform(["a dog"])), _dense(fitted.transform(["a dog"])))


@pytest.mark.parametrize("function", [np.log1p, None])
def test_a_transformer_that_holds_a_listed_function_loads_unasked(function: Any, send: Any) -> None:
    """The function is one of numpy's that works on numbers, and stands on the list."""
    assert np.asarray(send(FunctionTransformer(function)).load().transform([[0.0]])).tolist() == [[0.0]]


@pytest.mark.parametrize("function", [np.save, np.fromfile, print, getattr, np.linalg.norm, np.vectorize])
def test_a_transformer_that_holds_any_other_function_needs_trust(function: Any, send: Any) -> None:
    """FunctionTransformer calls what it holds."""
    gift = send(FunctionTransformer(function))
    with pytest.raises(UntrustedModelError, match=function.__name__):
        gift.load()


def test_an_estimator_of_somebody_s_own_needs_trust(send: Any) -> None:
    """A class that is stored by value is a program."""

    class Mine(BaseEstimator):
        pass

    gift = send(make_pipeline(StandardScaler(), Mine()))
    with pytest.raises(UntrustedModelError, match=r"tiffin\.pickling\.rebuild"):
        gift.load()


def test_looking_for_an_adapter_does_not_read_the_list() -> None:
    """A list of hundreds of names costs nothing at start-up."""
    program = (
        "import builtins, io, pathlib, sys\n"
        "read = pathlib.Path.read_text\n"
        "def refuse(self, *a, **k):\n"
        "    assert not str(self).endswith(('classes.txt', 'functions.txt'))\n"
        "    return read(self, *a, **k)\n"
        "pathlib.Path.read_text = refuse\n"
        "from tiffin.plugins import registry\n"
        "registry().adapter('sklearn').info\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

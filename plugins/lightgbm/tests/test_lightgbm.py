"""Boosters and estimators come back with what they answer and what they were made with; what is lost is told."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import ModelTypeError, NotKeptWarning, SignatureError, StoreError
from tiffin_lightgbm import load

ROWS = np.random.default_rng(3).normal(size=(80, 3))
CLASSES = (ROWS[:, 0] > 0).astype(int)
NAMES = {
    "texts": np.where(CLASSES, "yes", "no"),
    "objects": np.where(CLASSES, "yes", "no").astype(object),
    "numbers": CLASSES.astype("float32") * 5,
    "truths": CLASSES.astype(bool),
    "three": np.digitize(ROWS[:, 1], [-0.5, 0.5]) - 1,
}


class Own(lightgbm.LGBMRegressor):
    """A class that LightGBM does not know."""


def squares(truth: Any, predicted: Any) -> Any:
    return predicted - truth, np.ones_like(predicted)


PARAMETERS: dict[str, dict[str, Any]] = {
    "LGBMModel": {"objective": "regression"},
    "LGBMClassifier": {"num_leaves": 7, "learning_rate": 0.3, "class_weight": "balanced", "extra_trees": True},
    "LGBMRegressor": {"objective": "mae", "random_state": 3, "subsample": np.float64(0.5)},
    "LGBMRanker": {"label_gain": [0, 1]},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_estimator_keeps_its_parameters(name: str) -> None:
    """Those of its class and any others, which LightGBM's own file would not: so it can be fitted again as it was."""
    more = {"group": [80]} if name == "LGBMRanker" else {}
    model = getattr(lightgbm, name)(n_estimators=5, n_jobs=1, verbose=-1, **PARAMETERS[name]).fit(ROWS, CLASSES, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotKeptWarning)
        saved = tiffin.save("m", model)
    assert (saved.framework, saved.info.options) == ("lightgbm", {"model_class": name})
    loaded = saved.load()
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    assert loaded.objective_ == model.objective_
    assert (loaded.n_features_in_, loaded.n_iter_) == (model.n_features_in_, model.n_iter_)
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))
    np.testing.assert_array_equal(
        loaded.fit(ROWS, CLASSES, **more).predict(ROWS), model.fit(ROWS, CLASSES, **more).predict(ROWS)
    )


@pytest.mark.parametrize("kind", NAMES)
def test_classes_come_back(kind: str) -> None:
    """As what they were: texts, numbers of their width, truth values."""
    model = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(ROWS, NAMES[kind])
    loaded = tiffin.save("m", model).load()
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.n_classes_ == model.n_classes_
    np.testing.assert_array_equal(loaded.classes_, model.classes_)
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))
    np.testing.assert_array_equal(loaded.predict_proba(ROWS), model.predict_proba(ROWS))


def test_an_objective_of_ones_own_is_told_to_be_lost() -> None:
    """What a regressor answers stays."""
    model = lightgbm.LGBMRegressor(objective=squares, n_estimators=3, n_jobs=1, verbose=-1).fit(ROWS, ROWS[:, 1])
    with pytest.warns(NotKeptWarning, match=r"the parameter 'objective', <function squares") as caught:
        saved = tiffin.save("m", model)
    assert len(caught) == 1
    np.testing.assert_array_equal(saved.load().predict(ROWS), model.predict(ROWS))


def test_a_classifier_with_an_objective_of_ones_own_is_left_to_others() -> None:
    """It would answer with classes where it answers with margins."""
    model = lightgbm.LGBMClassifier(objective=squares, n_estimators=3, n_jobs=1, verbose=-1).fit(ROWS, CLASSES)
    with pytest.raises(ModelTypeError, match="Its objective is a function"):
        tiffin.lightgbm.save_model("m", model)


def test_early_stopping_and_the_history_of_a_fit_are_kept() -> None:
    """All trees are, too, and the best iteration is that of a booster as well."""
    model = lightgbm.LGBMRegressor(n_estimators=60, min_child_samples=2, n_jobs=1, verbose=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the argument has another name in newer releases
        model.fit(
            ROWS[:40],
            ROWS[:40, 1],
            eval_set=[(ROWS[40:], ROWS[40:, 1] + ROWS[40:, 2])],
            callbacks=[lightgbm.early_stopping(4, verbose=False)],
        )
    assert 0 < model.best_iteration_ < 60
    saved = tiffin.save("m", model)
    for loaded in (saved.load(), tiffin.load("m", model_class="Booster")):
        np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))
        np.testing.assert_array_equal(loaded.predict(ROWS, num_iteration=-1), model.predict(ROWS, num_iteration=-1))
    loaded = saved.load()
    assert (loaded.best_iteration_, loaded.best_score_) == (model.best_iteration_, model.best_score_)
    assert loaded.evals_result_ == model.evals_result_


def test_classes_of_others_are_not_made_into_lightgbms() -> None:
    """They go to the next adapter that claims them; by name they are refused."""
    pytest.importorskip("tiffin_sklearn")
    model = Own(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, CLASSES)
    with pytest.raises(ModelTypeError, match="would make a Own into what it derives from"):
        tiffin.lightgbm.save_model("m", model)
    assert tiffin.save("m", model).framework == "sklearn"


def test_what_is_not_fitted_is_left_to_others() -> None:
    """LightGBM writes no such file."""
    with pytest.raises(ModelTypeError, match="not fitted"):
        tiffin.lightgbm.save_model("m", lightgbm.LGBMClassifier())


def test_columns_of_categories_come_back() -> None:
    """A table's categories are told by their names, not by where they stand."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"c": pandas.Categorical(["a", "b"] * 40), "x": ROWS[:, 0]})
    model = lightgbm.LGBMRegressor(n_estimators=4, min_child_samples=1, n_jobs=1, verbose=-1)
    model.fit(frame, (frame["c"] == "a").astype(float))
    other = frame.assign(c=pandas.Categorical(frame["c"], categories=["b", "a"]))
    saved = tiffin.save("m", model)
    np.testing.assert_array_equal(saved.load().predict(other), model.predict(frame))
    assert saved.load().feature_name_ == ["c", "x"]


@pytest.fixture
def booster() -> Any:
    """Return a booster that knows the names of its features."""
    data = lightgbm.Dataset(ROWS, CLASSES, feature_name=["a", "b", "c"])
    return lightgbm.train({"objective": "binary", "num_threads": 1, "verbose": -1, "seed": 4}, data, 5)


def test_a_booster_comes_back(booster: Any) -> None:
    """With the names of its features, and its parameters as they were given."""
    loaded = tiffin.save("m", booster).load()
    assert type(loaded) is lightgbm.Booster
    assert loaded.feature_name() == ["a", "b", "c"]
    assert loaded.params == booster.params
    np.testing.assert_array_equal(loaded.predict(ROWS), booster.predict(ROWS))


@pytest.mark.parametrize("backend", ["local", "process"])
def test_a_runner_answers(backend: str, booster: Any) -> None:
    """With what a call says besides."""
    saved = tiffin.save("m", booster, input_example=ROWS[:2])
    assert saved.info.signatures["predict"].output_spec["shape"] == [None]
    with saved.to_runner(backend=backend) as runner:
        np.testing.assert_array_equal(runner.run(ROWS), booster.predict(ROWS))
        np.testing.assert_array_equal(runner.run(ROWS, raw_score=True), booster.predict(ROWS, raw_score=True))


def test_an_estimator_takes_the_threads_of_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightGBM's estimators do not look at what OpenMP's variable says; what was saved stays as it was."""
    from tiffin_lightgbm import prepare

    model = lightgbm.LGBMRegressor(n_jobs=7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert prepare(model, "cpu").n_jobs == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert prepare(model, None).n_jobs == 7
    assert prepare(model, "cpu").n_jobs == 3


def test_a_class_that_is_none_of_lightgbms_is_refused() -> None:
    """By the option `model_class`."""
    tiffin.save("m", lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, CLASSES))
    with pytest.raises(SignatureError, match="names no class of models"):
        tiffin.load("m", model_class="Dataset")


@pytest.mark.parametrize("given", [{"predict": 1, "__class__": "x"}, {"n_jobs": 1, "_Booster": None, "booster_": 1}])
def test_a_strangers_parameters_reach_no_other_attributes(given: dict[str, Any], tmp_path: Path) -> None:
    """Names of methods and of state are passed over; the model loads unasked, as its files name no code."""
    saved = tiffin.save("m:1", lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, CLASSES))
    for file in ("model.txt", "fitted.json"):
        (tmp_path / file).write_bytes(saved.path_of(file).read_bytes())
    (tmp_path / "parameters.json").write_text(json.dumps(given), encoding="utf-8")
    loaded = load(tmp_path, {"model_class": "LGBMRegressor"})
    np.testing.assert_array_equal(loaded.predict(ROWS), saved.load().predict(ROWS))
    store = models.ModelStore(tmp_path / "store")
    moved = models.import_model(models.export_model("m:1", tmp_path / "m.tiffin"), store=store)
    assert models.inspect(moved.tag, store=store).verdict == "runs no code"
    assert type(moved.load()) is lightgbm.LGBMRegressor


def test_a_damaged_file_is_an_error(booster: Any) -> None:
    """LightGBM says so, or Tiffin of what lies beside, and the process goes on."""
    saved = tiffin.save("m", booster)
    for file, error in (("model.txt", lightgbm.basic.LightGBMError), ("fitted.json", StoreError)):
        with models.create("raw") as new:
            for name in ("model.txt", "fitted.json", "parameters.json"):
                new.path_of(name).write_bytes(b"[" if name == file else saved.path_of(name).read_bytes())
        with pytest.raises(error):
            load(new.path, {"model_class": "Booster"})

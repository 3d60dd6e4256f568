"""Boosters and estimators come back with what they answer and what they were made with; what is lost is told."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

import tiffin
from tiffin import models
from tiffin.exceptions import ModelTypeError, NotKeptWarning, SignatureError

ROWS = np.random.default_rng(3).normal(size=(80, 3))
CLASSES = (ROWS[:, 0] > 0).astype(int)
DATA = Path(__file__).parent / "data"


class Own(xgboost.XGBRegressor):
    """A class that XGBoost does not know."""

    def predict(self, X: Any, **options: Any) -> Any:
        return super().predict(X, **options) + 1000


def squares(truth: Any, predicted: Any) -> Any:
    return predicted - truth, np.ones_like(predicted)


PARAMETERS: dict[str, dict[str, Any]] = {
    "XGBClassifier": {"n_estimators": 7, "max_depth": 2, "learning_rate": 0.3, "eval_metric": ["auc", "error"]},
    "XGBRegressor": {"n_estimators": 5, "objective": "reg:absoluteerror", "missing": -1.0, "random_state": 3},
    "XGBRanker": {"n_estimators": 3, "objective": "rank:pairwise"},
    "XGBRFClassifier": {"n_estimators": 4, "subsample": 0.5, "colsample_bynode": np.float64(0.5)},
    "XGBRFRegressor": {"n_estimators": 4, "monotone_constraints": "(1,0,0)"},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_estimator_keeps_its_parameters(name: str) -> None:
    """Which XGBoost's own file would not: so it can be fitted again as it was."""
    model = getattr(xgboost, name)(**PARAMETERS[name])
    model.fit(ROWS, CLASSES, **({"qid": np.zeros(80)} if name == "XGBRanker" else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotKeptWarning)
        saved = tiffin.save("m", model)
    assert (saved.framework, saved.info.options) == ("xgboost", {"model_class": name})
    loaded = saved.load()
    assert type(loaded) is type(model)
    before, after = model.get_params(), loaded.get_params()
    assert {key: after[key] for key in before if before[key] == before[key]} == {
        key: value for key, value in before.items() if value == value
    }
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))
    again = {"qid": np.zeros(80)} if name == "XGBRanker" else {}
    np.testing.assert_array_equal(
        loaded.fit(ROWS, CLASSES, **again).predict(ROWS), model.fit(ROWS, CLASSES, **again).predict(ROWS)
    )


@pytest.mark.parametrize("cls", [xgboost.XGBRegressor, xgboost.XGBClassifier])
def test_an_objective_of_ones_own_is_told_to_be_lost(cls: Any) -> None:
    """It would silently become another one; what the model answers stays."""
    model = cls(objective=squares, n_estimators=3).fit(ROWS, CLASSES)
    with pytest.warns(NotKeptWarning, match=r"the parameter 'objective', <function squares") as caught:
        saved = tiffin.save("m", model)
    assert len(caught) == 1
    np.testing.assert_array_equal(saved.load().predict(ROWS), model.predict(ROWS))
    np.testing.assert_array_equal(
        saved.load().predict(ROWS, output_margin=True), model.predict(ROWS, output_margin=True)
    )


def test_early_stopping_and_the_history_of_a_fit() -> None:
    """The best iteration is in XGBoost's file; the history is not, and that is told."""
    model = xgboost.XGBRegressor(n_estimators=50, early_stopping_rounds=2)
    model.fit(ROWS, CLASSES, eval_set=[(ROWS, ROWS[:, 1])], verbose=False)
    with pytest.warns(NotKeptWarning, match="evals_result_"):
        loaded = tiffin.save("m", model).load()
    assert loaded.best_iteration == model.best_iteration
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))


def test_classes_of_others_are_not_made_into_xgboosts() -> None:
    """They go to the next adapter that claims them; by name they are refused."""
    pytest.importorskip("tiffin_sklearn")
    model = Own(n_estimators=2).fit(ROWS, CLASSES)
    with pytest.raises(ModelTypeError, match="would make a Own into what it derives from"):
        tiffin.xgboost.save_model("m", model)
    assert tiffin.save("m", model).framework == "sklearn"


def test_what_is_not_fitted_is_left_to_others() -> None:
    """XGBoost writes no such file."""
    with pytest.raises(ModelTypeError, match="not fitted"):
        tiffin.xgboost.save_model("m", xgboost.XGBClassifier())


@pytest.fixture
def booster() -> Any:
    """Return a booster that knows the names of its features."""
    matrix = xgboost.DMatrix(ROWS, CLASSES, feature_names=["a", "b", "c"])
    return xgboost.train({"objective": "binary:logistic"}, matrix, 5)


def test_a_booster_comes_back(booster: Any) -> None:
    """With the names of its features."""
    loaded = tiffin.save("m", booster).load()
    assert type(loaded) is xgboost.Booster
    assert loaded.feature_names == ["a", "b", "c"]
    matrix = xgboost.DMatrix(ROWS, feature_names=["a", "b", "c"])
    np.testing.assert_array_equal(loaded.predict(matrix), booster.predict(matrix))


@pytest.mark.parametrize("backend", ["local", "process"])
def test_a_runner_of_a_booster_takes_arrays(backend: str, booster: Any) -> None:
    """Which a booster itself does not."""
    wanted = booster.predict(xgboost.DMatrix(ROWS, feature_names=["a", "b", "c"]))
    saved = tiffin.save("m", booster, input_example=ROWS[:2])
    assert saved.info.signatures["predict"].output_spec["shape"] == [None]
    with saved.to_runner(backend=backend) as runner:
        np.testing.assert_array_equal(runner.run(ROWS), wanted)
        np.testing.assert_array_equal(runner.run(ROWS, output_margin=True) > 0, wanted > 0.5)


def test_a_table_with_other_names_is_refused(booster: Any) -> None:
    """Names count where the data has any."""
    pandas = pytest.importorskip("pandas")
    with tiffin.save("m", booster).to_runner() as runner:
        runner.run(pandas.DataFrame(ROWS, columns=["a", "b", "c"]))
        with pytest.raises(Exception, match="feature_names mismatch"):
            runner.run(pandas.DataFrame(ROWS, columns=["a", "b", "d"]))


def test_an_estimator_can_be_loaded_as_a_booster() -> None:
    """By the option `model_class`."""
    saved = tiffin.save("m", xgboost.XGBRegressor(n_estimators=2).fit(ROWS, CLASSES))
    booster = tiffin.load("m", model_class="Booster")
    np.testing.assert_array_equal(booster.inplace_predict(ROWS), saved.load().predict(ROWS))
    with pytest.raises(SignatureError, match="names no class of models"):
        tiffin.load("m", model_class="DMatrix")


@pytest.mark.parametrize("given", [{"predict": 1, "__class__": "x"}, {"n_jobs": 1, "_Booster": None}])
def test_a_strangers_parameters_reach_no_other_attributes(given: dict[str, Any], tmp_path: Path) -> None:
    """What the class does not take is passed over; the model loads unasked, as its files name no code."""
    saved = tiffin.save("m:1", xgboost.XGBRegressor(n_estimators=2).fit(ROWS, CLASSES))
    with models.create("raw") as new:
        new.path_of("model.ubj").write_bytes(saved.path_of("model.ubj").read_bytes())
        new.path_of("parameters.json").write_text(json.dumps(given), encoding="utf-8")
    from tiffin_xgboost import load

    loaded = load(new.path, {"model_class": "XGBRegressor"})
    assert callable(loaded.predict)
    np.testing.assert_array_equal(loaded.predict(ROWS), saved.load().predict(ROWS))
    store = models.ModelStore(tmp_path / "store")
    moved = models.import_model(models.export_model("m:1", tmp_path / "m.tiffin"), store=store)
    assert models.inspect(moved.tag, store=store).verdict == "runs no code"
    assert type(moved.load()) is xgboost.XGBRegressor


def test_a_damaged_file_is_an_error(booster: Any, tmp_path: Path) -> None:
    """XGBoost says so, and the process goes on."""
    from tiffin_xgboost import load

    (tmp_path / "model.ubj").write_bytes(b"{L\x00\x00")
    with pytest.raises(xgboost.core.XGBoostError):
        load(tmp_path, {"model_class": "Booster"})


def test_what_bentoml_wrote_answers_as_it_did_there() -> None:
    """A classifier and a booster, by BentoML itself: see tools/make_foreign_samples.py."""
    pytest.importorskip("tiffin_bentoml", reason="what knows BentoML's models is a plugin of its own")
    expected = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
    for name, kind in (("trees", xgboost.XGBClassifier), ("booster", xgboost.Booster)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the versions that wrote them
            model = models.import_model(DATA / f"{name}.bentomodel")
            loaded = model.load()
        assert type(loaded) is kind
        with model.to_runner() as runner:
            np.testing.assert_allclose(runner.predict.run(np.array(expected["rows"])), expected[name], rtol=1e-6)


def test_it_can_be_pickled_for_a_worker(booster: Any) -> None:
    """What a booster runs as, too."""
    from tiffin_xgboost import prepare

    again = pickle.loads(pickle.dumps(prepare(booster)))
    np.testing.assert_array_equal(again.predict(ROWS), prepare(booster).predict(ROWS))

"""Models come back with what they answer and what they were made with; what is lost is told."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import ModelTypeError, NotKeptWarning, SignatureError
from tiffin_catboost import load

ROWS = np.random.default_rng(3).normal(size=(80, 3))
CLASSES = np.where(ROWS[:, 0] > 0, "yes", "no")
QUIET: dict[str, Any] = {"iterations": 4, "thread_count": 1, "verbose": False, "allow_writing_files": False}


class Own(catboost.CatBoostRegressor):
    """A class that CatBoost does not know."""


class Squares:
    """An objective of one's own."""

    def calc_ders_range(self, predicted: Any, truth: Any, weights: Any) -> Any:
        return [(t - p, -1.0) for p, t in zip(predicted, truth, strict=True)]


PARAMETERS: dict[str, dict[str, Any]] = {
    "CatBoostClassifier": {"depth": 2, "class_weights": {"no": 1.0, "yes": 2.0}, "custom_metric": ["AUC"]},
    "CatBoostRegressor": {"loss_function": "MAE", "random_seed": np.int64(3)},
    "CatBoostRanker": {"loss_function": "YetiRank"},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_model_keeps_its_parameters(name: str) -> None:
    """As they were given, so it can be fitted again as it was."""
    more = {"group_id": [0] * 80} if name == "CatBoostRanker" else {}
    target = CLASSES if name == "CatBoostClassifier" else ROWS[:, 1]
    model = getattr(catboost, name)(**QUIET, **PARAMETERS[name]).fit(ROWS, target, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotKeptWarning)
        saved = tiffin.save("m", model)
    assert (saved.framework, saved.info.options) == ("catboost", {"model_class": name})
    loaded = saved.load()
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))
    np.testing.assert_array_equal(
        loaded.fit(ROWS, target, **more).predict(ROWS), model.fit(ROWS, target, **more).predict(ROWS)
    )


def test_the_base_class_keeps_its_parameters_too() -> None:
    """It takes them as a dict."""
    model = catboost.CatBoost({**QUIET, "loss_function": "RMSE"}).fit(ROWS, ROWS[:, 1])
    loaded = tiffin.save("m", model).load()
    assert loaded.get_params() == model.get_params()
    assert loaded.evals_result_ == model.evals_result_


def test_an_objective_of_ones_own_is_told_to_be_lost() -> None:
    """What the model answers stays."""
    model = catboost.CatBoostRegressor(**QUIET, loss_function=Squares(), eval_metric="RMSE", learning_rate=0.1)
    model.fit(ROWS, ROWS[:, 1])
    with pytest.warns(NotKeptWarning, match=r"the parameter 'loss_function', .*Squares object") as caught:
        saved = tiffin.save("m", model)
    assert len([one for one in caught if one.category is NotKeptWarning]) == 1
    np.testing.assert_array_equal(saved.load().predict(ROWS), model.predict(ROWS))
    assert "loss_function" not in saved.load().get_params()


def test_early_stopping_is_kept() -> None:
    """The best iteration, and the scores until then."""
    model = catboost.CatBoostRegressor(**{**QUIET, "iterations": 60}, early_stopping_rounds=3)
    model.fit(ROWS[:40], ROWS[:40, 1], eval_set=(ROWS[40:], ROWS[40:, 1] + ROWS[40:, 2]))
    loaded = tiffin.save("m", model).load()
    assert (loaded.best_iteration_, loaded.tree_count_) == (model.best_iteration_, model.tree_count_)
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))


def test_categories_and_pools() -> None:
    """Columns of categories are known without being named again, in lists, tables and pools."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"c": ["a", "b"] * 40, "x": ROWS[:, 0]})
    model = catboost.CatBoostClassifier(**QUIET, cat_features=["c"]).fit(frame, CLASSES)
    saved = tiffin.save("m", model)
    loaded = saved.load()
    assert (loaded.get_cat_feature_indices(), loaded.feature_names_) == ([0], ["c", "x"])
    wanted = model.predict(frame)
    np.testing.assert_array_equal(loaded.predict(catboost.Pool(frame, cat_features=["c"])), wanted)
    np.testing.assert_array_equal(loaded.predict(frame.values.tolist()), wanted)
    with saved.to_runner() as runner:
        np.testing.assert_array_equal(runner.run(frame), wanted)


def test_classes_of_others_are_not_made_into_catboosts() -> None:
    """By name they are refused, and what is not fitted as well."""
    with pytest.raises(ModelTypeError, match="would make a Own into what it derives from"):
        tiffin.catboost.save_model("m", Own(**QUIET).fit(ROWS, ROWS[:, 1]))
    with pytest.raises(ModelTypeError, match="not fitted"):
        tiffin.catboost.save_model("m", catboost.CatBoostClassifier())


@pytest.mark.parametrize("backend", ["local", "process"])
def test_a_runner_answers(backend: str) -> None:
    """With what a call says besides."""
    model = catboost.CatBoostClassifier(**QUIET).fit(ROWS, CLASSES)
    signatures = {name: {"batchable": True} for name in ("predict", "predict_proba")}
    with tiffin.save("m", model, signatures=signatures).to_runner(backend=backend) as runner:
        np.testing.assert_array_equal(runner.predict_proba.run(ROWS), model.predict_proba(ROWS))
        np.testing.assert_array_equal(
            runner.predict.run(ROWS, prediction_type="RawFormulaVal"), model.predict(ROWS, "RawFormulaVal")
        )


def test_a_model_takes_the_threads_of_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """CatBoost takes all processors otherwise; what a call says goes before, and what was saved stays as it was."""
    from tiffin_catboost import prepare

    class Model:
        def predict(self, thread_count: int = -1) -> int:
            return thread_count

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert prepare(Model(), "cpu").predict() == -1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert prepare(Model(), None).predict() == -1
    assert prepare(Model(), "cpu").predict() == 3
    assert prepare(Model(), "cpu").predict(thread_count=2) == 2


def test_what_a_stranger_writes_reaches_no_state(tmp_path: Path) -> None:
    """Names of methods and of state are passed over; classes are CatBoost's; the model loads unasked."""
    saved = tiffin.save("m:1", catboost.CatBoostRegressor(**QUIET).fit(ROWS, ROWS[:, 1]))
    (tmp_path / "model.cbm").write_bytes(saved.path_of("model.cbm").read_bytes())
    given = {"iterations": 3, "predict": 1, "__model": "x"}
    (tmp_path / "parameters.json").write_text(json.dumps(given), encoding="utf-8")
    loaded = load(tmp_path, {"model_class": "CatBoostRegressor"})
    assert loaded.get_params() == {"iterations": 3}
    np.testing.assert_array_equal(loaded.predict(ROWS), saved.load().predict(ROWS))
    with pytest.raises(SignatureError, match="names no class of models"):
        tiffin.load("m", model_class="Pool")
    store = models.ModelStore(tmp_path / "store")
    moved = models.import_model(models.export_model("m:1", tmp_path / "m.tiffin"), store=store)
    assert models.inspect(moved.tag, store=store).verdict == "runs no code"
    assert type(moved.load()) is catboost.CatBoostRegressor


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    """CatBoost says so, and the process goes on."""
    (tmp_path / "model.cbm").write_bytes(b"CBM1\xff\xff\xff\x7f")
    with pytest.raises(catboost.CatBoostError):
        load(tmp_path, {"model_class": "CatBoost"})

"""Models come back with what they have learned, and go on learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import UntrustedModelError

pytestmark = pytest.mark.slow
pytest.importorskip("river")

ROW = {"a": 6.0, "b": 1.0}


def learned() -> Any:
    from tiffin_river.conformance import learned

    return learned()


def kinds() -> dict[str, Any]:
    from river import anomaly, cluster, linear_model, preprocessing, tree

    scaler = preprocessing.StandardScaler
    return {
        "classifier": (scaler() | tree.HoeffdingTreeClassifier(), {"predict_one", "predict_proba_one"}),
        "regressor": (scaler() | linear_model.LinearRegression(), {"predict_one"}),
        "transformer": (scaler(), {"transform_one"}),
        "detector": (scaler() | anomaly.HalfSpaceTrees(seed=1), {"score_one"}),
        "clusters": (cluster.KMeans(seed=1), {"predict_one"}),
    }


@pytest.mark.parametrize("kind", ["classifier", "regressor", "transformer", "detector", "clusters"])
def test_each_kind_is_asked_by_its_own_methods(kind: str) -> None:
    """The last step of a pipeline says which kind it is."""
    model, methods = kinds()[kind]
    assert set(tiffin.save("m", model).info.signatures) == methods


def test_a_loaded_model_goes_on_learning() -> None:
    """As the one that was saved; the stored version stays what it was."""
    model = learned()
    saved = tiffin.save("m", model)
    loaded = saved.load()
    before = model.predict_proba_one(ROW)
    for one in (model, loaded):
        one.learn_one(ROW, False)
    assert loaded.predict_proba_one(ROW) == model.predict_proba_one(ROW) != before
    assert saved.load().predict_proba_one(ROW) == before


def test_a_runner_answers_of_a_worker() -> None:
    """With a row as a dict."""
    model = learned()
    with tiffin.save("m", model).to_runner(backend="process") as runner:
        assert runner.predict_proba_one.run(ROW) == model.predict_proba_one(ROW)


def test_a_stranger_s_model_needs_trust(tmp_path: Path) -> None:
    """Its parts are compiled, so that nothing checks what a file says of them."""
    tiffin.save("m:1", learned())
    store = models.ModelStore(tmp_path / "store")
    moved = models.import_model(models.export_model("m:1", tmp_path / "m.tiffin"), store=store)
    with pytest.raises(UntrustedModelError):
        moved.load()
    assert moved.load(trust=True).predict_one(ROW) is True

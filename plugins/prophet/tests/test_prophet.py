"""Models come back with their forecasts; what is lost is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import tiffin
from tiffin import models
from tiffin.exceptions import ModelTypeError, NotKeptWarning, StoreError

pytestmark = pytest.mark.slow
prophet = pytest.importorskip("prophet")
pandas = pytest.importorskip("pandas")

DAYS = pandas.DataFrame({"ds": pandas.date_range("2024-01-01", periods=40), "y": np.sqrt(np.arange(40.0))})
COMING = pandas.DataFrame({"ds": pandas.date_range("2024-02-05", periods=6)})


@pytest.fixture(scope="module")
def fitted() -> Any:
    """Return a model of these days."""
    return prophet.Prophet(n_changepoints=2, uncertainty_samples=0).add_country_holidays("DE").fit(DAYS)


@pytest.mark.parametrize("backend", ["local", "process"])
def test_a_runner_forecasts(backend: str, fitted: Any) -> None:
    """As the model does; calls do not merge, since rows would be sorted among each other."""
    with pytest.warns(NotKeptWarning, match="stan_fit"):
        saved = tiffin.save("m", fitted, input_example=COMING)
    assert list(saved.info.files) == ["model.json"]
    assert not saved.info.signatures["predict"].batchable
    with saved.to_runner(backend=backend) as runner:
        pandas.testing.assert_frame_equal(runner.run(COMING), fitted.predict(COMING))
    assert saved.load().make_future_dataframe(3).equals(fitted.make_future_dataframe(3))


def test_what_prophet_does_not_write_is_left_to_others() -> None:
    """A model that is not fitted, and a class of one's own."""

    class Own(prophet.Prophet):  # type: ignore[misc]
        """A class that Prophet does not know."""

    with pytest.raises(ModelTypeError, match="not fitted"):
        tiffin.prophet.save_model("m", prophet.Prophet())
    with pytest.raises(ModelTypeError, match="would make a Own into what it derives from"):
        tiffin.prophet.save_model("m", Own())


def test_a_stranger_s_model_loads_unasked(fitted: Any, tmp_path: Path) -> None:
    """Its file names no code."""
    with pytest.warns(NotKeptWarning):
        tiffin.save("m:1", fitted)
    store = models.ModelStore(tmp_path / "store")
    moved = models.import_model(models.export_model("m:1", tmp_path / "m.tiffin"), store=store)
    assert models.inspect(moved.tag, store=store).verdict == "runs no code"
    pandas.testing.assert_frame_equal(moved.load().predict(COMING), fitted.predict(COMING))


@pytest.mark.parametrize("content", [{}, {"growth": "linear"}, {"changepoints": 1}])
def test_a_damaged_file_is_an_error(content: dict[str, Any], tmp_path: Path) -> None:
    """It names the file."""
    from tiffin_prophet import load

    (tmp_path / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StoreError, match=r"Prophet cannot read .*model\.json"):
        load(tmp_path)


def test_what_mlflow_wrote_is_read(fitted: Any, tmp_path: Path) -> None:
    """It is the same file under another name."""
    pytest.importorskip("tiffin_mlflow")
    from prophet.serialize import model_to_json

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pr").write_text(model_to_json(fitted), encoding="utf-8")
    general = {"loader_module": "mlflow.prophet", "data": "model.pr", "python_version": "3.11.7"}
    flavor = {"data": "model.pr", "prophet_version": prophet.__version__}
    record = {"flavors": {"python_function": general, "prophet": flavor}, "mlflow_version": "3.17.2"}
    (folder / "MLmodel").write_text(yaml.safe_dump(record), encoding="utf-8")
    model = models.import_model(folder, name="m", store=models.ModelStore(tmp_path / "store"))
    assert model.info.context.framework_versions == {"prophet": prophet.__version__}
    pandas.testing.assert_frame_equal(model.load().predict(COMING), fitted.predict(COMING))

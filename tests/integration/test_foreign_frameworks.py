"""Models of many frameworks, which BentoML and MLflow themselves wrote, answer here as they did there."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiffin import models
from tiffin.exceptions import UntrustedModelError

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SAMPLES = {
    "xgboost/flavored.zip": ("XGBClassifier", "predict"),
    "lightgbm/booster.bentomodel": ("Booster", "predict"),
    "lightgbm/booster.zip": ("Booster", "predict"),
    "catboost/cats.bentomodel": ("CatBoostClassifier", "predict"),
    "catboost/cats.zip": ("CatBoostClassifier", "predict"),
    "onnx/linear.bentomodel": ("InferenceSession", "run"),
    "onnx/linear.zip": ("InferenceSession", "run"),
    "torch/layer.bentomodel": ("Sequential", "__call__"),
    "torch/layer.zip": ("Sequential", "__call__"),
    "torch/script.bentomodel": ("RecursiveScriptModule", "__call__"),
}
"""Sample below a plugin's folder → the class of what is loaded, and the method that is called."""


@pytest.fixture(autouse=True)
def _own_store(store_home: Path) -> None:
    """Each test has a store of its own."""


@pytest.mark.filterwarnings("ignore")  # of the versions that wrote them
@pytest.mark.parametrize(
    "sample",
    [pytest.param(one, marks=pytest.mark.slow if one[:5] in ("torch", "catbo") else ()) for one in SAMPLES],
)
def test_it_answers_as_it_did_there(sample: str) -> None:
    """It is what it was, by the adapter of its framework; what can run code is loaded only once it is trusted."""
    folder, _, file = sample.partition("/")
    for module in (folder, f"tiffin_{folder}", "tiffin_bentoml", "tiffin_mlflow"):
        importlib.import_module(module) if module.startswith("tiffin_") else pytest.importorskip(module)
    data = PLUGINS / folder / "tests" / "data"
    expected = json.loads((data / "frameworks.json").read_text(encoding="utf-8"))
    name = file.partition(".")[0]
    model = models.import_model(data / file, name=name)
    kind, method = SAMPLES[sample]
    if folder == "torch" and models.inspect(model.tag).verdict != "runs no code":
        with pytest.raises(UntrustedModelError):
            model.load()
        models.trust(model.tag)
    loaded: Any = model.load()
    assert type(loaded).__name__ == kind
    rows = np.array(expected["rows"], "float32")
    if method in model.info.signatures:
        with model.to_runner() as runner:
            answer = runner.methods[method].run(rows)
    else:  # MLflow's record names the method of its own wrapper
        answer = loaded.run(None, {"x": rows})[0] if method == "run" else loaded(_tensor(rows))
    answer = answer.detach() if hasattr(answer, "detach") else answer
    np.testing.assert_array_equal(np.asarray(answer), np.asarray(expected[name])) if kind.startswith("Cat") else (
        np.testing.assert_allclose(np.asarray(answer), expected[name], rtol=1e-5)
    )


def _tensor(rows: Any) -> Any:
    import torch

    return torch.from_numpy(rows)

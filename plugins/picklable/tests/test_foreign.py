"""Objects that BentoML pickled, and custom Python models of MLflow's, load here once they are trusted.

The samples were made by the tools themselves: see tools/make_foreign_samples.py.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import statistics
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from tiffin import models
from tiffin.exceptions import ForeignModelError, PicklingError, UntrustedModelError

pytest.importorskip("tiffin_bentoml", reason="what knows BentoML's models is a plugin of its own")
pytest.importorskip("tiffin_mlflow", reason="what knows MLflow's models is a plugin of its own")

PLUGINS = Path(__file__).resolve().parents[2]
BENTOML_SAMPLES, MLFLOW_SAMPLES = (PLUGINS / tool / "tests" / "data" for tool in ("bentoml", "mlflow"))
BENTOML = json.loads((BENTOML_SAMPLES / "expected.json").read_text(encoding="utf-8"))
by_value = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="cloudpickle stores a class by value as the bytecode of one Python: here 3.11",
)
without_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="MLflow is installed")
pytestmark = pytest.mark.filterwarnings("ignore::tiffin.exceptions.NotKeptWarning")


def test_an_object_that_bentoml_pickled_answers_as_it_did_there() -> None:
    """It is from elsewhere, so it needs trust, and then it is the same."""
    model = models.import_model(BENTOML_SAMPLES / "curve.bentomodel")
    assert model.framework == "picklable"
    with pytest.raises(UntrustedModelError, match=r"statistics\.NormalDist"):
        model.load()
    loaded = model.load(trust=True)
    assert loaded == statistics.NormalDist(10.0, 2.5)
    assert [loaded.cdf(x) for x in (5.0, 10.0, 12.0)] == BENTOML["cdf"]
    assert model.custom_objects["third"] == Fraction(1, 3)
    assert model.info.signatures["samples"].to_dict() == {"batchable": True, "batch_dim": [0, 1]}


@by_value
def test_an_object_whose_class_bentoml_stored_by_value_runs() -> None:
    """The class comes with it."""
    model = models.import_model(BENTOML_SAMPLES / "doubler.bentomodel")
    models.trust(model.tag)
    with model.to_runner() as runner:
        assert runner.run(21) == 42


@by_value
@without_mlflow
def test_a_custom_python_model_of_mlflow_s_gets_its_artifacts_without_mlflow() -> None:
    """Loaded and called as MLflow does it: load_context once, then predict with the context and params."""
    model = models.import_model(MLFLOW_SAMPLES / "shift.tar", name="shift")
    assert model.framework == "picklable"
    assert model.info.context.framework_versions == {"cloudpickle": "3.1.2"}
    with pytest.raises(UntrustedModelError) as caught:
        model.load()
    assert "mlflow.pyfunc.model.PythonModel" in caught.value.names
    loaded = model.load(trust=True)
    assert loaded.predict([[1.0, 2.0]]).tolist() == [[3.5, 4.5]]
    assert loaded.predict([[1.0, 2.0]], {"factor": 3}).tolist() == [[5.5, 8.5]]
    assert loaded.unwrap_python_model().shift == 2.5
    with model.to_runner() as runner:
        assert runner.predict.run([[1.0, 2.0]]).tolist() == [[3.5, 4.5]]


@by_value
@without_mlflow
def test_a_model_that_needs_more_of_mlflow_says_so() -> None:
    """A function with type hints is wrapped by MLflow's own code."""
    model = models.import_model(MLFLOW_SAMPLES / "double.zip", name="double")
    with pytest.raises(PicklingError, match="'mlflow', which is not installed"):
        model.load(trust=True)


class Plain:
    """A model as MLflow takes it, whose class can be imported."""

    def load_context(self, context: Any) -> None:
        self.config = context.model_config
        self.artifacts = context.artifacts

    def predict(self, model_input: Any) -> Any:
        return (model_input, self.config)


def make(folder: Path, fields: dict[str, Any], data: bytes) -> Path:
    folder.mkdir()
    fields = {"loader_module": "mlflow.pyfunc.model", "python_model": "sub/m.pkl", **fields}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": fields}}))
    (folder / "sub").mkdir()
    (folder / "sub" / "m.pkl").write_bytes(data)
    (folder / "model.pkl").write_bytes(b"N.")
    return folder


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A pickle of a model whose class can be imported."""
    monkeypatch.setitem(sys.modules, Plain.__module__, sys.modules.get(Plain.__module__) or _module())
    return pickle.dumps(Plain())


def _module() -> Any:
    import types

    module = types.ModuleType(Plain.__module__)
    module.Plain = Plain  # type: ignore[attr-defined]
    return module


def test_settings_and_a_predict_without_context_are_served(plain: bytes, tmp_path: Path) -> None:
    """`predict(self, model_input)` is as good as the long form; the config reaches load_context."""
    folder = make(tmp_path / "m", {"config": {"a": 1}, "artifacts": {"w": {"path": "model.pkl"}}}, plain)
    loaded = models.import_model(folder, name="m").load(trust=True)
    assert loaded.predict(5) == (5, {"a": 1})
    assert Path(loaded.unwrap_python_model().artifacts["w"]).name == "model.pkl"


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd", 7, None])
def test_artifacts_lie_within_the_model(path: Any, plain: bytes, tmp_path: Path) -> None:
    """A record cannot give a model another one's files."""
    folder = make(tmp_path / "m", {"artifacts": {"w": {"path": path}}}, plain)
    with pytest.raises(PicklingError, match="MLmodel"):
        models.import_model(folder, name="m").load(trust=True)


@pytest.mark.parametrize(("fields", "why"), [
    ({"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "m.py"}, "a script"),
    ({"python_model_compression": "lzma"}, "compressed"),
])  # fmt: skip
def test_what_cannot_be_read_says_why(fields: dict[str, Any], why: str, tmp_path: Path) -> None:
    """Models from code, and compressed pickles, of which nobody could tell what they run."""
    with pytest.raises(ForeignModelError, match=why):
        models.import_model(make(tmp_path / "m", fields, b"N."), name="m")


@pytest.mark.parametrize(
    "fields", [{"loader_module": "os"}, {"loader_module": "mlflow.sklearn"}, {"python_model": None}]
)
def test_other_loaders_are_nobody_s(fields: dict[str, Any], tmp_path: Path) -> None:
    """A module that the record names is never imported."""
    with pytest.raises(ForeignModelError, match="python_function"):
        models.import_model(make(tmp_path / "m", fields, b"N."), name="m")

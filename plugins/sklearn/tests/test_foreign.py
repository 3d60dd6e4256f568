"""Estimators that BentoML and MLflow saved load here, and answer as they did there.

The samples were made by the tools themselves, with what they answered: see tools/make_foreign_samples.py.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.preprocessing import FunctionTransformer

import tiffin
from tiffin import models
from tiffin.exceptions import BrokenPluginError, ForeignModelError, UntrustedModelError

pytest.importorskip("tiffin_bentoml", reason="what knows BentoML's models is a plugin of its own")
pytest.importorskip("tiffin_mlflow", reason="what knows MLflow's models is a plugin of its own")

PLUGINS = Path(__file__).resolve().parents[2]
BENTOML_SAMPLES, MLFLOW_SAMPLES = (PLUGINS / tool / "tests" / "data" for tool in ("bentoml", "mlflow"))
BENTOML = json.loads((BENTOML_SAMPLES / "expected.json").read_text(encoding="utf-8"))
MLFLOW = json.loads((MLFLOW_SAMPLES / "expected.json").read_text(encoding="utf-8"))
needs_skops = pytest.mark.skipif(importlib.util.find_spec("skops") is None, reason="skops, an extra, is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::tiffin.exceptions.NotKeptWarning"),
    # The samples are of one release of scikit-learn, and older Pythons have an older one.
    pytest.mark.filterwarnings("ignore::tiffin.exceptions.VersionMismatchWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
]


@pytest.mark.parametrize(
    "container", ["iris.bentomodel", "iris.xz", "iris.gz", "iris.bz2", "iris.tar", "iris.zip", "iris"]
)
def test_an_estimator_of_bentoml_s_answers_as_it_did_there(container: str) -> None:
    """Every container; unasked, since all that the joblib file imports is on the list."""
    model = models.import_model(BENTOML_SAMPLES / container)
    assert model.framework == "sklearn"
    assert models.inspect(model.tag).verdict == "allowed"
    loaded = model.load()
    assert loaded.predict(BENTOML["rows"]).tolist() == BENTOML["predict"]
    assert np.allclose(loaded.predict_proba(BENTOML["rows"]), BENTOML["predict_proba"])
    assert model.custom_objects["names"] == ["setosa", "versicolor", "virginica"]
    assert model.custom_objects["means"].tolist() == BENTOML["means"]


def test_an_estimator_of_bentoml_s_runs_for_many_callers() -> None:
    """Its signatures say that calls may be merged, and they are."""
    model = models.import_model(BENTOML_SAMPLES / "iris.bentomodel")
    with model.to_runner() as runner:
        assert runner.predict.run(np.array(BENTOML["rows"])).tolist() == BENTOML["predict"]


@pytest.mark.parametrize("sample", [pytest.param("skops", marks=needs_skops), "pickle.zip", "cloudpickle.tar.gz"])
def test_an_estimator_of_mlflow_s_answers_as_it_did_there(sample: str) -> None:
    """By each of its three formats, as its record says."""
    model = models.import_model(MLFLOW_SAMPLES / sample, name="iris")
    assert model.framework == "sklearn"
    assert models.inspect(model.tag).verdict == "allowed"
    loaded = model.load()
    if sample.startswith("cloudpickle"):
        assert np.allclose(loaded.predict_proba(MLFLOW["rows"]), MLFLOW["predict_proba"])
    else:
        assert loaded.predict(MLFLOW["rows"]).tolist() == MLFLOW["predict"]
    assert model.info.context.framework_versions == {"scikit-learn": "1.9.1"}


def test_an_imported_estimator_is_exported_and_comes_back_the_same(tmp_path: Path) -> None:
    """As any version."""
    model = models.import_model(BENTOML_SAMPLES / "iris.bentomodel")
    other = tiffin.ModelStore(tmp_path / "other")
    again = models.import_model(models.export_model(model, tmp_path), store=other)
    assert again.info.content_digest == model.info.content_digest
    assert again.load().predict(BENTOML["rows"]).tolist() == BENTOML["predict"]


def make(folder: Path, files: dict[str, bytes], **flavor: Any) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": flavor}}))
    return folder


def test_the_format_field_decides_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    """No guessing by content: a file that says pickle is read by pickle."""
    with pytest.raises(ForeignModelError, match="'dill'"):
        models.import_model(
            make(tmp_path / "a", {"m": b"N."}, serialization_format="dill", pickled_model="m"), name="a"
        )
    model = models.import_model(make(tmp_path / "b", {"m.skops": b"N."}, pickled_model="m.skops"), name="b")
    assert "model.pkl" in model.info.files


def test_files_that_would_be_taken_for_the_model_go_out_of_the_way(tmp_path: Path) -> None:
    """What the record calls the model is loaded, and no other file of that name."""
    folder = make(
        tmp_path / "a",
        {"m.pkl": b"\x80\x04K\x07.", "model.pkl": b"N.", "model.joblib": b"N.", "model.skops": b""},
        serialization_format="pickle",
        pickled_model="m.pkl",
    )
    model = models.import_model(folder, name="a")
    assert model.load(trust=True) == 7
    assert {"others/model.pkl", "others/model.joblib", "others/model.skops"} < set(model.info.files)


@pytest.fixture
def skops_file(tmp_path: Path) -> Callable[..., Any]:
    """Import a model of MLflow's whose file of skops has this schema."""

    def skops_file(schema: Any, name: str = "schema.json") -> Any:
        target = tmp_path / "made.skops"
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr(name, schema if isinstance(schema, (str, bytes)) else json.dumps(schema))
        files = {"model.skops": target.read_bytes()}
        folder = make(tmp_path / "made", files, serialization_format="skops", pickled_model="model.skops")
        return models.import_model(folder, name="made")

    return skops_file


def node(module: str, name: str, loader: str, **fields: Any) -> dict[str, Any]:
    return {"__module__": module, "__class__": name, "__loader__": loader, **fields}


DATA = node("builtins", "dict", "DictNode", content={})
HOSTILE = {
    "subprocess.Popen": node("subprocess", "Popen", "ConstructorFromReduceNode", content=DATA),
    "posix.system": node("posix", "system", "FunctionNode"),
    "functools.partial": node("functools", "partial", "PartialNode", content={"func": DATA}),
    "operator.methodcaller": node("operator", "methodcaller", "OperatorFuncNode", attrs=DATA),
    "sklearn.pipeline.Pipeline.fit": node(
        "sklearn.pipeline", "Pipeline", "MethodNode", content={"func": "fit", "obj": DATA}
    ),
    "os.system": {**DATA, "content": {"a": {"module_path": "os", "function": "system"}}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_file_of_skops_would_make_is_listed_and_needs_trust(name: str, skops_file: Any) -> None:
    """Names that no list allows, in nodes of every kind."""
    model = skops_file(HOSTILE[name])
    report = models.inspect(model.tag)
    assert not report.loads
    assert name in {found for file in report.files for found in file.names}
    with pytest.raises(UntrustedModelError):
        model.load()


@pytest.mark.parametrize("schema", [
    "no json", "[" * 100_000, b"\xff", {"__module__": "sklearn.svm"}, node("builtins", "dict", "NewNode"),
    node("numpy", "ndarray", "ConstructorFromReduceNode", content=DATA), node("numpy", "ndarray", "ObjectNode"),
    node("sklearn", "a.b", "ObjectNode"), node("os", "system", "JsonNode", content="1"), node("os", "system", "ListNode"),
    node("sklearn.svm", "SVC", "CachedNode"), node("builtins", "int", "JsonNode", content="[1]"),
    node("numpy", "ndarray", "NdArrayNode", type="numpy", file="../x"), node("numpy", "ndarray", "NdArrayNode", type="other"),
])  # fmt: skip
def test_a_file_of_skops_that_cannot_be_followed_needs_trust(schema: Any, skops_file: Any) -> None:
    """Whatever is not known to be harmless is a problem, or a name that no list allows."""
    model = skops_file(schema)
    assert models.inspect(model.tag).verdict == "refused"
    with pytest.raises(UntrustedModelError):
        model.load()


def test_a_file_of_skops_without_a_schema_or_no_zip_needs_trust(skops_file: Any, tmp_path: Path) -> None:
    """Also one that is damaged."""
    assert models.inspect(skops_file({}, name="other.json").tag).problems
    folder = make(tmp_path / "b", {"m": b"PK\x03\x04"}, serialization_format="skops", pickled_model="m")
    assert models.inspect(models.import_model(folder, name="b").tag).verdict == "refused"


@needs_skops
def test_skops_makes_nothing_that_was_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the list and skops ever differ, the load of a trusted file stops."""
    model = models.import_model(MLFLOW_SAMPLES / "skops", name="iris")
    monkeypatch.setattr("skops.io.get_untrusted_types", lambda file: ["os.system"])
    with pytest.raises(UntrustedModelError, match=r"os\.system"):
        model.load(trust=True)


def test_without_skops_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import goes well all the same."""
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    model = models.import_model(MLFLOW_SAMPLES / "skops", name="iris")
    with pytest.raises(BrokenPluginError, match=r"pip install 'tiffin-sklearn\[skops\]'"):
        model.load(trust=True)


def test_what_skops_wrote_is_built_without_skops(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted file is read by the adapter and built by core, so that skops is not needed for it."""
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    model = models.import_model(MLFLOW_SAMPLES / "skops", name="iris")
    assert model.load().predict(MLFLOW["rows"]).tolist() == MLFLOW["predict"]


@needs_skops
def test_what_a_record_calls_trusted_counts_for_nothing(tmp_path: Path) -> None:
    """skops_trusted_types is the record's own word."""
    import skops.io

    skops.io.dump(FunctionTransformer(np.linalg.norm), tmp_path / "model.skops")
    folder = make(
        tmp_path / "m",
        {"model.skops": (tmp_path / "model.skops").read_bytes()},
        serialization_format="skops",
        pickled_model="model.skops",
        skops_trusted_types=["numpy.linalg.norm"],
    )
    model = models.import_model(folder, name="mine")
    with pytest.raises(UntrustedModelError, match=r"norm"):
        model.load()
    assert np.allclose(model.load(trust=True).transform([[3.0, 4.0]]), 5.0)

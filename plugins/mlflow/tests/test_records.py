"""Models in MLflow's format, as folders and archives. No framework, no MLflow: a toy adapter says which file it would read.

The samples were made by MLflow itself: see tools/make_foreign_samples.py.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tiffin
from tiffin import Model, hookimpl, models
from tiffin.exceptions import DamagedArchiveError, ForeignModelError, InvalidTagError, NotKeptWarning
from tiffin.store import ModelStore

SAMPLES = Path(__file__).resolve().parent / "data"
FLAVORS = {
    "python_function": {"loader_module": "mlflow.thing", "predict_fn": "guess", "env": "conda.yaml"},
    "thing": {},
}
ARRAY = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]'


class Toy:
    """Reads the flavors that it is told, as nothing."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds
        self.asked: list[Any] = []

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": ["toy.Thing"], "distributions": ["scikit-learn"]}

    @hookimpl
    def save(self) -> None:
        """Write nothing: these tests only read."""

    @hookimpl
    def load(self, path: Path) -> list[str]:
        return sorted(file.name for file in path.iterdir())

    @hookimpl
    def read_foreign(self, foreign: Any) -> dict[str, Any] | None:
        self.asked.append(foreign)
        if foreign.tool != "mlflow" or foreign.kind not in self.kinds:
            return None
        return {"versions": {"scikit-learn": foreign.fields.get("sklearn_version", ""), "other": "1"}}


@pytest.fixture
def toy() -> Iterator[Toy]:
    toy = Toy("sklearn", "thing")
    tiffin.register(toy, name="toy")
    yield toy
    tiffin.unregister("toy")


@pytest.fixture
def make_folder(tmp_path: Path) -> Any:
    """Make a folder with a record of these fields."""

    def make_folder(**fields: Any) -> Path:
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": FLAVORS, "mlflow_version": "3.17.2", **fields}))
        (folder / "data.bin").write_bytes(b"data")
        return folder

    return make_folder


def test_a_folder_becomes_a_version_with_all_that_its_record_says(toy: Toy, other: ModelStore) -> None:
    """Time, versions, specs, metadata, ids and the example's path; every file stays where it was."""
    model = models.import_model(SAMPLES / "skops", name="iris", store=other)
    info = model.info
    record = yaml.safe_load((SAMPLES / "skops" / "MLmodel").read_text())
    assert info.framework == "toy"
    assert info.creation_time == datetime.datetime.fromisoformat(record["utc_time_created"] + "+00:00")
    assert info.context.framework_versions == {"scikit-learn": "1.9.1"}
    assert info.context.python_version == record["flavors"]["python_function"]["python_version"]
    assert info.signatures["predict"].to_dict() == {
        "batchable": False,
        "input_spec": {"type": "array", "dtype": "float64", "shape": [None, 4]},
        "output_spec": {"type": "array", "dtype": "int64", "shape": [None]},
    }
    assert info.metadata["accuracy"] == 0.97
    facts = info.metadata["mlflow"]
    assert facts["version"] == "3.17.2"
    assert facts["flavor"] == "sklearn"
    assert facts["model_uuid"] == record["model_uuid"]
    assert facts["saved_input_example_info"] == record["saved_input_example_info"]
    assert "not_kept" not in facts
    assert sorted(info.files) == sorted(path.name for path in (SAMPLES / "skops").iterdir())
    assert model.path_of("input_example.json").read_bytes() == (SAMPLES / "skops" / "input_example.json").read_bytes()


@pytest.mark.parametrize(
    ("archive", "methods"), [("pickle.zip", ["predict"]), ("cloudpickle.tar.gz", ["predict_proba"])]
)
@pytest.mark.filterwarnings("ignore::tiffin.exceptions.NotKeptWarning")
def test_an_archive_of_a_folder_is_as_good_as_the_folder(
    archive: str, methods: list[str], toy: Toy, other: ModelStore
) -> None:
    """Zip and tar; the method is the one that MLflow itself would call."""
    model = models.import_model(SAMPLES / archive, name="iris:v1", store=other)
    assert str(model.tag) == "iris:v1"
    assert list(model.info.signatures) == methods
    assert "model.pkl" in model.info.files


def test_the_folder_may_lie_within_the_archive(other: ModelStore) -> None:
    """As `tar c folder` packs it; its files move up."""
    tiffin.register(Toy("python_function"), name="toy")
    try:
        with pytest.warns(NotKeptWarning, match="defaults of the signature's params"):
            model = models.import_model(SAMPLES / "shift.tar", name="shift", store=other)
    finally:
        tiffin.unregister("toy")
    assert model.path_of("artifacts/shift.txt").read_text() == "2.5"
    assert "MLmodel" in model.info.files
    assert models.verify(store=other) == []


def test_the_framework_s_own_flavor_is_asked_for_before_the_general_one(toy: Toy, other: ModelStore) -> None:
    """What MLflow can call, an adapter that knows the framework can do more with."""
    models.import_model(SAMPLES / "skops", name="iris", store=other)
    assert [foreign.kind for foreign in toy.asked] == ["sklearn"]
    toy.kinds = ()
    with pytest.raises(ForeignModelError, match="MLflow calls 'sklearn', 'python_function'"):
        models.import_model(SAMPLES / "skops", name="iris", store=other)


def test_a_model_without_a_name_asks_for_one(toy: Toy, make_folder: Any, bring_folder: Any) -> None:
    """MLflow's models have no name but in a registry, which notes it beside the model."""
    folder = make_folder()
    with pytest.raises(ForeignModelError, match="--as NAME"):
        bring_folder(folder)
    (folder / "registered_model_meta").write_text("model_name: churn\nmodel_version: '7'\n")
    assert str(bring_folder(folder).tag) == "churn:7"
    assert str(bring_folder(folder, name="leave").tag) == "leave:7"
    (folder / "registered_model_meta").write_text("model_name: Churn Model\n")
    with pytest.raises(InvalidTagError, match="--as NAME:VERSION"):
        bring_folder(folder)
    (folder / "registered_model_meta").write_text("- what is this\n")
    with pytest.raises(ForeignModelError):
        bring_folder(folder)


COLUMNS = [
    {"type": "double", "name": "a", "required": True},
    {"type": "long", "name": "b", "required": True},
    {"type": "string", "name": "c", "required": True},
]
TENSORS = [
    {"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}},
    {"name": "y", "type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}},
]


@pytest.mark.parametrize(("inputs", "spec"), [
    (COLUMNS, {"type": "frame", "columns": [
        {"name": "a", "dtype": "float64"}, {"name": "b", "dtype": "int64"}, {"name": "c"},
    ]}),
    (TENSORS, {"type": "dict", "properties": {
        "x": {"type": "array", "dtype": "float32", "shape": [None, 2]}, "y": {"type": "array", "shape": [None]},
    }}),
])  # fmt: skip
def test_columns_and_named_tensors_become_specs(
    inputs: Any, spec: Any, toy: Toy, make_folder: Any, bring_folder: Any
) -> None:
    """Columns are a frame's, named tensors a dict of arrays; nothing is lost."""
    model = bring_folder(make_folder(signature={"inputs": json.dumps(inputs), "outputs": None}), name="x")
    assert model.info.signatures["guess"].input_spec == spec


@pytest.mark.parametrize("inputs", [
    '[{"type": "long", "required": true}]', '[{"type": "object", "name": "a", "properties": {}}]', "no json", "[1]", "[]",
    '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-2]}}]', 7, '[{"type": "tensor"}]',
    '[{"type": "double", "name": "a"}, {"type": "double", "name": "a"}]', "[" * 100_000,
])  # fmt: skip
def test_a_signature_that_no_spec_describes_is_listed_and_stays_in_the_metadata(
    inputs: Any, toy: Toy, make_folder: Any, bring_folder: Any
) -> None:
    """One side may be told and the other not."""
    signature = {"inputs": inputs, "outputs": ARRAY}
    with pytest.warns(NotKeptWarning, match="the inputs of the signature"):
        model = bring_folder(make_folder(signature=signature), name="x")
    assert model.info.signatures["guess"].input_spec is None
    assert model.info.signatures["guess"].output_spec is not None
    assert model.info.metadata["mlflow"]["signature"] == signature


def test_what_mlflow_would_do_and_tiffin_does_not_is_listed(toy: Toy, make_folder: Any, bring_folder: Any) -> None:
    """Code on the import path, columns that may be missing, fields of other purposes."""
    optional = json.dumps([{"type": "double", "name": "a", "required": False}])
    folder = make_folder(
        flavors={**FLAVORS, "thing": {"code": "code"}}, env_vars=["TOKEN"], signature={"inputs": optional}, prompts=None
    )
    with pytest.warns(NotKeptWarning) as caught:
        bring_folder(folder, name="x")
    text = " ".join(str(each.message) for each in caught if each.category is NotKeptWarning)
    for phrase in ("code on the import path", "columns of the inputs may be missing", "'env_vars'"):
        assert phrase in text
    assert "prompts" not in text


def test_the_bare_files_are_imported_on_request(make_folder: Any, bring_folder: Any) -> None:
    """as_files=True needs no adapter."""
    with pytest.raises(ForeignModelError, match="--as-files"):
        bring_folder(make_folder(), name="x")
    with pytest.warns(NotKeptWarning, match="it is a folder of files now"):
        model: Model = bring_folder(make_folder(), name="x", as_files=True)
    assert model.framework == ""
    assert sorted(model.info.files) == ["MLmodel", "data.bin"]


@pytest.mark.parametrize(
    "text", ["flavors: {}", "flavors: [1]", "just text", "", "flavors: !!python/object:os.system {}"]
)
def test_a_record_that_names_no_flavors_is_damaged(text: str, make_folder: Any, bring_folder: Any) -> None:
    """And nothing is imported."""
    folder = make_folder()
    (folder / "MLmodel").write_text(text)
    with pytest.raises(DamagedArchiveError, match="MLmodel"):
        bring_folder(folder, name="x")


def test_the_command_line_asks_for_a_name(make_folder: Any, tmp_path: Path) -> None:
    """The error says how to give one; no traceback."""
    command = [sys.executable, "-m", "tiffin", "models", "import", str(make_folder()), "--as-files"]
    home = {**os.environ, "TIFFIN_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, capture_output=True, text=True, env=home, check=False)
    assert done.returncode == 1
    assert "has no name" in done.stderr
    assert "--as NAME" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([*command, "--as", "iris:v1"], capture_output=True, text=True, env=home, check=False)
    assert done.stdout == "Imported iris:v1\n"

"""Models that BentoML exported: every container, all that is kept, and a list of what is not. No framework, no BentoML.

The samples were made by BentoML itself: see tools/make_foreign_samples.py. A toy adapter stands for the real ones, and only
says which file it would read.
"""

from __future__ import annotations

import datetime
import fractions
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tiffin
from tiffin import hookimpl, models
from tiffin.exceptions import (
    ForeignModelError,
    InvalidTagError,
    NotKeptWarning,
    PluginConflictError,
    UntrustedModelError,
)
from tiffin.store import ModelStore

SAMPLES = Path(__file__).resolve().parent / "data"
EXPECTED = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))
CONTAINERS = ["iris.bentomodel", "iris.xz", "iris.gz", "iris.bz2", "iris.tar", "iris.zip", "iris"]
RECORD = yaml.safe_load((SAMPLES / "iris" / "model.yaml").read_text(encoding="utf-8"))


class Toy:
    """Reads what BentoML's two modules wrote, as bytes."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": ["toy.Thing"], "distributions": ["Scikit_Learn", "cloudpickle"], "options": {"format": ""}}

    @hookimpl
    def save(self) -> None:
        """Write nothing: these tests only read."""

    @hookimpl
    def load(self, path: Path) -> bytes:
        return (path / "thing.pkl").read_bytes()

    @hookimpl
    def read_foreign(self, foreign: Any) -> dict[str, Any] | None:
        self.asked.append(foreign)
        if foreign.tool != "bentoml" or foreign.kind not in ("bentoml.sklearn", "bentoml.picklable_model"):
            return None
        return {"renames": {"saved_model.pkl": "thing.pkl"}, "options": {"format": "joblib"}, "not_kept": ["its smell"]}


@pytest.fixture
def toy() -> Iterator[Toy]:
    toy = Toy()
    tiffin.register(toy, name="toy")
    yield toy
    tiffin.unregister("toy")


@pytest.fixture
def export(tmp_path: Path) -> Any:
    """Make a folder as BentoML exports it, with another record."""

    def export(changes: dict[str, Any], files: dict[str, bytes] | None = None) -> Path:
        folder = tmp_path / "export"
        folder.mkdir()
        (folder / "model.yaml").write_text(yaml.safe_dump({**RECORD, **changes}), encoding="utf-8")
        for name, data in (files if files is not None else {"saved_model.pkl": b"N."}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    return export


@pytest.mark.filterwarnings("ignore::tiffin.exceptions.NotKeptWarning")
@pytest.mark.filterwarnings("ignore::tiffin.exceptions.VersionMismatchWarning")
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same_model(container: str, toy: Toy, other: ModelStore) -> None:
    """Tar with xz, gz, bz2 or nothing, zip, a folder: all that the record says is kept, and the files are the same."""
    model = models.import_model(SAMPLES / container, store=other)
    info = model.info
    assert str(info.tag) == "iris_clf:qkm3rkdvpw"
    assert info.framework == "toy"
    assert info.labels == RECORD["labels"]
    assert {key: info.metadata[key] for key in RECORD["metadata"]} == RECORD["metadata"]
    assert info.creation_time == datetime.datetime.fromisoformat(EXPECTED["created"]["iris_clf"])
    signature = {"batchable": True}  # along the first axis, which is the default here as there
    methods = ("predict", "predict_proba", "predict_log_proba")
    assert {name: value.to_dict() for name, value in info.signatures.items()} == dict.fromkeys(methods, signature)
    assert info.options == {"format": "joblib"}
    assert info.context.python_version == EXPECTED["python"]
    assert info.context.framework_versions == {"Scikit_Learn": "1.9.1"}  # under the name that the adapter knows
    assert info.metadata["bentoml"]["context"] == RECORD["context"]
    assert info.metadata["bentoml"]["version"] == EXPECTED["bentoml"] == "1.4.39"
    assert sorted(info.files) == ["bentoml.yaml", "custom_objects/bentoml/model.pkl", "thing.pkl"]
    for now, before in (("thing.pkl", "saved_model.pkl"), ("bentoml.yaml", "model.yaml")):
        assert model.path_of(now).read_bytes() == (SAMPLES / "iris" / before).read_bytes()
    assert model.load(trust=True) == (SAMPLES / "iris" / "saved_model.pkl").read_bytes()
    assert models.verify(store=other) == []


def test_what_is_not_kept_is_listed_in_a_warning_and_in_the_metadata(toy: Toy, other: ModelStore) -> None:
    """Keys that are no text, bytes, and what the adapter says; nothing is dropped in silence."""
    with pytest.warns(NotKeptWarning, match="Not kept of what model 'curve:v2' had") as caught:
        model = models.import_model(SAMPLES / "curve.bentomodel", store=other)
    lost = _warned(caught).lost
    assert lost == tuple(model.info.metadata["bentoml"]["not_kept"])
    assert [next(word for word in ("key 7", "metadata.raw", "smell") if word in phrase) for phrase in lost] == [
        "key 7", "metadata.raw", "smell",
    ]  # fmt: skip
    assert model.info.metadata["7"] == "a key that is no text"
    assert "raw" not in model.info.metadata
    assert model.info.signatures["quantiles"].batch_dim == (0, 1)
    assert model.labels == {"Team": "Statistics, 2nd floor"}


@pytest.mark.filterwarnings("ignore::tiffin.exceptions.NotKeptWarning")
def test_custom_objects_keep_their_names_and_load_one_by_one_once_trusted(toy: Toy, other: ModelStore) -> None:
    """BentoML pickles all of them together; their names are found without unpickling."""
    model = models.import_model(SAMPLES / "curve.bentomodel", store=other)
    assert list(model.custom_objects) == ["third", "counts", "Größe"]
    with pytest.raises(UntrustedModelError, match=r"fractions\.Fraction"):
        _ = model.custom_objects["counts"]
    report = models.inspect(model.tag, store=other)
    assert [file.path for file in report.files if file.names] == ["thing.pkl", "custom_objects/bentoml/model.pkl"]
    models.trust(model.tag, store=other)
    assert model.custom_objects["third"] == fractions.Fraction(1, 3)
    assert model.custom_objects["counts"] == Counter("abracadabra")
    assert model.custom_objects["Größe"] == 1.5
    assert "fourth" not in model.custom_objects


def test_an_import_is_from_elsewhere_and_says_so(toy: Toy, other: ModelStore) -> None:
    """Its origin names the tool, and that it came without digests; the files get theirs at the import."""
    with pytest.warns(NotKeptWarning):
        model = models.import_model(SAMPLES / "iris.zip", store=other)
    origin = models.inspect(model.tag, store=other).origin
    assert origin is not None
    assert origin["how"].startswith("imported from ")
    assert origin["how"].endswith("iris.zip, made by BentoML 1.4.39, which gave it no digests")


def test_the_adapter_is_told_what_the_record_says_and_no_more(toy: Toy, other: ModelStore) -> None:
    """Tool, module, options, and the names and sizes of the files; no path at which it could read them."""
    with pytest.warns(NotKeptWarning):
        models.import_model(SAMPLES / "iris", store=other)
    asked = toy.asked[-1]
    assert (asked.tool, asked.kind) == ("bentoml", "bentoml.sklearn")
    assert asked.fields == {"options": {}, "api_version": "v1"}
    assert asked.files == {
        name: (SAMPLES / "iris" / name).stat().st_size for name in ("saved_model.pkl", "custom_objects.pkl")
    }


def test_a_folder_of_files_without_a_module_needs_no_adapter(other: ModelStore) -> None:
    """What `bentoml.models.create` made is a raw folder here, too."""
    model = models.import_model(SAMPLES / "files.bentomodel", store=other)
    assert model.framework == ""
    assert model.path_of("weights.txt").read_text() == "1 2 3"
    assert model.labels == {"kind": "files"}
    assert models.inspect(model.tag, store=other).verdict == "runs no code"


@pytest.mark.parametrize("module", ["os", "bentoml.nobody", "bentoml.sklearn"])
def test_a_module_that_nobody_reads_is_named_and_imported_by_nobody(
    module: str, export: Any, bring_folder: Any
) -> None:
    """The error names it, and how to get the bare files; the module is a word and nothing else."""
    folder = export({"module": module})
    with pytest.raises(ForeignModelError, match=f"No installed adapter reads what BentoML calls '{module}'") as caught:
        bring_folder(folder)
    assert "--as-files" in str(caught.value)
    assert caught.value.kinds == (module,)


def test_the_bare_files_are_imported_on_request(export: Any, bring_folder: Any) -> None:
    """as_files=True: no adapter is asked, nothing of it loads, and that is said."""
    folder = export({"module": "bentoml.xgboost"}, {"saved_model.ubj": b"trees"})
    with pytest.warns(NotKeptWarning, match="it is a folder of files now"):
        model = bring_folder(folder, as_files=True)
    assert model.framework == ""
    assert model.path_of("saved_model.ubj").read_bytes() == b"trees"
    assert model.info.metadata["bentoml"]["module"] == "bentoml.xgboost"
    assert set(model.info.signatures) == set(RECORD["signatures"])


@pytest.mark.filterwarnings("ignore::tiffin.exceptions.NotKeptWarning")
def test_names_keep_to_the_rules_and_another_one_can_be_given(export: Any, bring_folder: Any, toy: Toy) -> None:
    """Capital letters become small ones, as BentoML itself has it; what breaks another rule asks for --as."""
    folder = export({"name": "Iris_Clf"})
    assert str(bring_folder(folder).tag) == "iris_clf:qkm3rkdvpw"
    assert str(bring_folder(folder, name="rose").tag) == "rose:qkm3rkdvpw"
    assert str(bring_folder(folder, name="rose:v1").tag) == "rose:v1"
    (folder / "model.yaml").write_text(yaml.safe_dump({**RECORD, "name": "../up"}))
    with pytest.raises(InvalidTagError, match="--as NAME:VERSION"):
        bring_folder(folder)
    assert str(bring_folder(folder, name="up").tag) == "up:qkm3rkdvpw"


def test_options_and_partial_kwargs_are_kept_where_they_mean_something(
    export: Any, bring_folder: Any, toy: Toy
) -> None:
    """Partial kwargs of a method go on; those of none, and options that the adapter does not take, are listed."""
    options = {"partial_kwargs": {"predict": {"check": False}, "nothing": {"x": 1}}, "device": "cuda"}
    with pytest.warns(NotKeptWarning) as caught:
        model = bring_folder(export({"options": options}))
    assert model.info.options == {"format": "joblib", "partial_kwargs": {"predict": {"check": False}}}
    text = str(_warned(caught))
    assert "the partial kwargs of 'nothing'" in text
    assert "the option 'device'" in text


@pytest.mark.parametrize("change", [
    {"signatures": {"predict": {"batchable": "yes"}}},
    {"signatures": {"predict": {"batchable": True, "batch_dim": [0, 1, 2]}}},
    {"signatures": {"predict": {"batchable": True, "input_spec": "numbers"}}},
    {"signatures": {"predict": 7}},
    {"signatures": [1, 2]},
    {"labels": {"no spaces please": "x"}},
    {"labels": ["x"]},
    {"metadata": "much"},
    {"metadata": {"deep": json.loads("[" * 60 + "]" * 60)}},
    {"context": "here"},
    {"creation_time": "yesterday"},
    {"a_new_field": 1},
])  # fmt: skip
def test_what_tiffin_cannot_hold_is_listed_and_hinders_nothing(
    change: dict[str, Any], export: Any, bring_folder: Any, toy: Toy
) -> None:
    """A record with one odd field is still a model."""
    with pytest.warns(NotKeptWarning) as caught:
        model = bring_folder(export(change))
    assert len(_warned(caught).lost) >= 2
    assert model.framework == "toy"


def test_a_field_of_the_users_own_is_not_replaced(export: Any, bring_folder: Any, toy: Toy) -> None:
    """Metadata that has a field 'bentoml' keeps it."""
    with pytest.warns(NotKeptWarning):
        model = bring_folder(export({"metadata": {"bentoml": "mine"}}))
    assert model.info.metadata["bentoml"] == "mine"
    assert model.info.metadata["bentoml_"]["module"] == "bentoml.sklearn"


def test_custom_objects_of_an_unknown_form_stay_together(export: Any, bring_folder: Any, toy: Toy) -> None:
    """Where the names cannot be told without running the pickle, all are one object; that is said."""
    files = {"saved_model.pkl": b"N.", "custom_objects.pkl": b"\x80\x04}(K\x01K\x02u."}
    with pytest.warns(NotKeptWarning, match="names of the custom objects"):
        model = bring_folder(export({}, files))
    assert list(model.custom_objects) == ["custom_objects"]
    assert model.custom_objects["custom_objects"] == {1: 2}


def test_two_adapters_that_read_one_model_are_a_conflict(toy: Toy, other: ModelStore) -> None:
    """Which is meant cannot be told, so the error names both."""
    tiffin.register(Toy(), name="twin")
    try:
        with pytest.raises(PluginConflictError, match="toy and twin both read"):
            models.import_model(SAMPLES / "iris", store=other)
    finally:
        tiffin.unregister("twin")


@pytest.mark.parametrize("answer", [{"rename": {}}, "yes", 1])
def test_a_wrong_answer_of_an_adapter_is_told(answer: Any, other: ModelStore) -> None:
    """Misspelled fields and other values blame the adapter."""

    class Wrong(Toy):
        @hookimpl
        def read_foreign(self) -> Any:
            return answer

    tiffin.register(Wrong(), name="wrong")
    try:
        with pytest.raises(tiffin.exceptions.HookError, match="'wrong' answers read_foreign"):
            models.import_model(SAMPLES / "iris", store=other)
    finally:
        tiffin.unregister("wrong")


def _warned(caught: Any) -> NotKeptWarning:
    # Others may be caught beside it, as those of what is collected meanwhile.
    (found,) = (each.message for each in caught if isinstance(each.message, NotKeptWarning))
    return found

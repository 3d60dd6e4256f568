"""The model store, as BentoML's users write it: what its pages say holds for Tiffin, and for BentoML itself."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bentoml_shim as bentoml

BentoMLException = bentoml.exceptions.BentoMLException
NotFound = bentoml.exceptions.NotFound


def make(tag: str, text: str = "weights", **said: Any) -> Any:
    """Make a model of one file."""
    with bentoml.models.create(tag, **said) as model:
        Path(model.path_of("weights.txt")).write_text(text)
    return bentoml.models.get(model.tag)


def test_files_of_ones_own_become_a_model() -> None:
    """Written below `path`, or where `path_of` says; found with labels and metadata."""
    with bentoml.models.create("bert", labels={"team": "nlp"}, metadata={"layers": 12}) as model:
        Path(model.path, "config.json").write_text("{}")
        Path(model.path_of("weights")).mkdir()
        with Path(model.path_of("weights/w.bin")).open("wb") as file:
            file.write(b"1 2 3")
        assert model.tag.name == "bert"
        assert model.info.labels == {"team": "nlp"}
    found = bentoml.models.get("bert:latest")
    assert found.tag == model.tag
    assert Path(found.path_of("config.json")).read_text() == "{}"
    assert Path(found.path_of("/weights/w.bin")).read_bytes() == b"1 2 3"
    assert {path.name for path in Path(found.path_of("weights")).iterdir()} == {"w.bin"}
    assert Path(found.path_of("/")) == Path(found.path)
    assert (found.info.labels, found.info.metadata) == ({"team": "nlp"}, {"layers": 12})


def test_what_create_gives_can_be_read_after_its_block() -> None:
    """Its tag, its files, its record."""
    with bentoml.models.create("bert", metadata={"a": 1}) as model:
        Path(model.path_of("w")).write_text("x")
    assert Path(model.path_of("w")).read_text() == "x"
    assert Path(model.path, "w").read_text() == "x"
    assert (model.info.metadata, model.info.tag) == ({"a": 1}, model.tag)


def test_a_block_that_fails_makes_no_model() -> None:
    """The error goes on."""

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), bentoml.models.create("bert"):
        fail()
    assert bentoml.models.list() == []


def test_custom_objects_and_signatures_of_files_are_kept() -> None:
    """Given to `create`, which takes them still."""
    make("bert:v1", custom_objects={"split": str.split, "names": ["a"]}, signatures={"encode": {"batchable": True}})
    model = bentoml.models.get("bert")
    assert model.custom_objects["split"]("a b") == ["a", "b"]
    assert set(model.custom_objects) == {"split", "names"}
    assert model.info.signatures["encode"].batchable


def test_versions_are_made_and_latest_is_the_newest() -> None:
    """By name alone, or as `latest`."""
    first, second = make("bert", "1"), make("bert", "2")
    assert first.tag.version != second.tag.version
    assert bentoml.models.get("bert").tag == bentoml.models.get("bert:latest").tag == second.tag
    assert bentoml.models.get(first.tag) == first
    assert first != second
    assert len({first, bentoml.models.get(first.tag), second}) == 2


def test_a_unique_beginning_of_a_version_is_enough() -> None:
    """One that fits several is refused."""
    make("bert:alpha1"), make("bert:alpha2"), make("bert:beta")
    assert bentoml.models.get("bert:be").tag.version == "beta"
    with pytest.raises(BentoMLException):
        bentoml.models.get("bert:alpha")


@pytest.mark.parametrize("tag", ["nothing", "nothing:latest", "bert:v2"])
def test_what_is_not_there_is_not_found(tag: str) -> None:
    """By `get` and by `delete`, but for `latest`, of which nothing need be deleted."""
    make("bert:v1")
    with pytest.raises(NotFound):
        bentoml.models.get(tag)
    if not tag.endswith("latest"):
        with pytest.raises(NotFound):
            bentoml.models.delete(tag)


def test_models_are_listed_all_by_name_and_by_tag() -> None:
    """Each version once."""
    tags = [str(make(tag).tag) for tag in ("a:1", "a:2", "b:1")]
    assert {str(model.tag) for model in bentoml.models.list()} == set(tags)
    assert {str(model.tag) for model in bentoml.models.list("a")} == {"a:1", "a:2"}
    assert [str(model.tag) for model in bentoml.models.list("b:1")] == ["b:1"]


def test_a_version_is_deleted_and_latest_is_the_one_before() -> None:
    """The files are gone."""
    first, second = make("bert"), make("bert")
    bentoml.models.delete(second.tag)
    assert not Path(second.path).exists()
    assert bentoml.models.get("bert").tag == first.tag
    bentoml.models.delete("bert:latest")
    assert bentoml.models.list() == []


def test_a_name_stands_for_all_its_versions_where_it_is_deleted() -> None:
    """Other names stay."""
    make("bert:1"), make("bert:2"), make("other:1")
    bentoml.models.delete("bert")
    assert [str(model.tag) for model in bentoml.models.list()] == ["other:1"]


def test_an_explicit_version_is_saved_once() -> None:
    """The second time it is refused, and the first stays."""
    make("bert:v1", "1")
    with pytest.raises(BentoMLException):
        make("bert:v1", "2")
    assert Path(bentoml.models.get("bert:v1").path_of("weights.txt")).read_text() == "1"


def test_labels_that_are_numbers_become_text() -> None:
    """As text they are found in the record."""
    assert make("bert", labels={"round": 3, "share": 0.5}).info.labels == {"round": "3", "share": "0.5"}


@pytest.mark.parametrize("labels", [["a"], {1: "a"}, "a"])
def test_labels_that_are_no_dict_of_text_are_refused(labels: Any) -> None:
    """And no model is made."""
    with pytest.raises((ValueError, AttributeError)):
        make("bert", labels=labels)
    assert bentoml.models.list() == []


def test_metadata_is_kept_plainly() -> None:
    """Numpy's values as Python's."""
    given = {
        "acc": np.float64(0.97),
        "rows": np.int64(3),
        "cv": np.array([0.5, 0.25]),
        "day": datetime.date(2024, 2, 29),
        "none": [1, "a", True, 0.5, {"b": [2]}],
    }
    wanted = {**given, "acc": 0.97, "rows": 3, "cv": [0.5, 0.25]}
    assert make("bert", metadata=given).info.metadata == wanted


@pytest.mark.parametrize("value", [object(), len, {1, 2}])
def test_metadata_that_is_not_plain_is_refused(value: Any) -> None:
    """And no model is made."""
    with pytest.raises((ValueError, TypeError)):
        make("bert", metadata={"a": value})
    assert bentoml.models.list() == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("moved", kind) for kind in ("tar", "gz", "xz", "zip", "folder")),
        *((f"moved.{ending}", None) for ending in ("tar", "tar.gz", "tar.xz", "zip")),
    ],
)
def test_a_model_is_exported_and_imported(name: str, kind: str | None, tmp_path: Path) -> None:
    """In the format that is named, or that the ending tells; the same model comes back."""
    model = make("bert:v1", labels={"a": "b"}, metadata={"c": 1}, custom_objects={"d": [1]})
    target = str(tmp_path / name)
    assert Path(bentoml.models.export_model("bert:latest", target, kind)) == Path(target)
    bentoml.models.delete("bert:v1")
    moved = bentoml.models.import_model(target, kind)
    assert moved.tag == model.tag
    assert bentoml.models.get("bert") == moved
    assert Path(moved.path_of("weights.txt")).read_text() == "weights"
    assert (moved.info.labels, moved.info.metadata) == ({"a": "b"}, {"c": 1})
    assert moved.info.creation_time == model.info.creation_time
    assert moved.custom_objects["d"] == [1]


def test_a_model_is_exported_into_a_folder_under_its_name(tmp_path: Path) -> None:
    """What is written is told, and can be imported."""
    make("bert:v1")
    written = Path(bentoml.models.export_model("bert:v1", str(tmp_path)))
    assert written.parent == tmp_path
    assert written.stem == "bert-v1"
    bentoml.models.delete("bert:v1")
    assert str(bentoml.models.import_model(str(written)).tag) == "bert:v1"


def test_a_version_that_exists_is_not_imported_again(tmp_path: Path) -> None:
    """It is refused."""
    make("bert:v1")
    written = bentoml.models.export_model("bert:v1", str(tmp_path / "x.zip"))
    with pytest.raises(BentoMLException):
        bentoml.models.import_model(written)


def test_protocol_and_path_are_parts_of_one_place(tmp_path: Path) -> None:
    """Given apart, they are put together."""
    make("bert:v1")
    written = bentoml.models.export_model("bert:v1", str(tmp_path / "x.zip"), protocol="file")
    bentoml.models.delete("bert:v1")
    bentoml.models.import_model(str(tmp_path / "x.zip"), protocol="file")
    assert written.endswith("x.zip")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("s3://bucket/x", {"protocol": "sftp"}),
        ("sftp://host/x", {"user": "ann", "passwd": "secret"}),
        ("x.zip", {"protocol": "nonsense"}),
    ],
)
def test_parts_that_do_not_fit_are_refused(path: str, parts: dict[str, Any]) -> None:
    """A whole URL beside parts of one, and a protocol that is none."""
    make("bert:v1")
    with pytest.raises((BentoMLException, ValueError)):
        bentoml.models.export_model("bert:v1", path, **parts)


@pytest.mark.parametrize("batch_dim", [0, 1, (0, 1), [1, 0]])
def test_a_signature_is_made_of_a_dict(batch_dim: Any) -> None:
    """One number stands for both axes."""
    pair = (batch_dim, batch_dim) if isinstance(batch_dim, int) else tuple(batch_dim)
    made = bentoml.types.ModelSignature.from_dict({"batchable": True, "batch_dim": batch_dim})
    assert (made.batchable, tuple(made.batch_dim)) == (True, pair)


def test_a_signature_is_not_batchable_unless_said() -> None:
    """Its fields are these."""
    signature = bentoml.types.ModelSignature()
    assert (signature.batchable, signature.batch_dim) == (False, (0, 0))
    assert (signature.input_spec, signature.output_spec) == (None, None)


def test_the_record_as_a_dict_has_the_same_names() -> None:
    """So has model.yaml."""
    model = make("bert:v1", labels={"a": "b"}, signatures={"f": {"batchable": True}}, metadata={"c": 1})
    record = model.info.to_dict()
    assert (record["name"], record["version"]) == ("bert", "v1")
    assert (record["labels"], record["metadata"]) == ({"a": "b"}, {"c": 1})
    assert {"options", "context", "signatures", "api_version", "creation_time"} <= record.keys()
    assert {"framework_name", "framework_versions", "python_version"} <= record["context"].keys()
    assert record["signatures"]["f"]["batchable"] is True
    assert record["api_version"] == "v1"
    assert Path(model.path, "model.yaml").is_file()
    assert model.info.creation_time.tzinfo is not None

"""What does not belong into the store, or is broken, is named and passed over; the other models are none the worse."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_states import mark_of, problems, save

from tiffin.exceptions import EditedRecordWarning, ModelExistsError, RecordError, StoreError, StoreWarning, TiffinError
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.verifying import verify


def folder_without_record(models: Path) -> Path:
    (models / "x" / "bad").mkdir()
    (models / "x" / "bad" / "weights.bin").write_bytes(b"data")
    return models / "x" / "bad"


def empty_folder(models: Path) -> Path:
    (models / "x" / "bad").mkdir()
    return models / "x" / "bad"


def invalid(text: str) -> Callable[[Path], Path]:
    def make(models: Path) -> Path:
        (models / "x" / "bad").mkdir()
        (models / "x" / "bad" / "model.yaml").write_text(text)
        return models / "x" / "bad" / "model.yaml"

    return make


def copied_version(models: Path) -> Path:
    shutil.copytree(models / "x" / "1", models / "x" / "bad")
    return models / "x" / "bad" / "model.yaml"


def file_among_versions(models: Path) -> Path:
    (models / "x" / "bad").write_text("notes")
    return models / "x" / "bad"


def file_among_names(models: Path) -> Path:
    (models / "bad").write_text("notes")
    return models / "bad"


def folder_of_no_name(models: Path) -> Path:
    (models / "Not A Name" / "1").mkdir(parents=True)
    return models / "Not A Name"


def link_to_a_version(models: Path) -> Path:
    (models / "x" / "bad").symlink_to(models / "x" / "1")
    return models / "x" / "bad"


def link_to_a_name(models: Path) -> Path:
    (models / "bad").symlink_to(models / "y")
    return models / "bad"


def link_to_nothing(models: Path) -> Path:
    (models / "bad").symlink_to(models / "nothing")
    return models / "bad"


def record_is_a_link_to_itself(models: Path) -> Path:
    (models / "x" / "bad").mkdir()
    (models / "x" / "bad" / "model.yaml").symlink_to("model.yaml")
    return models / "x" / "bad" / "model.yaml"


def record_is_a_pipe(models: Path) -> Path:
    (models / "x" / "bad").mkdir()
    os.mkfifo(models / "x" / "bad" / "model.yaml")
    return models / "x" / "bad" / "model.yaml"


def record_is_a_folder(models: Path) -> Path:
    (models / "x" / "bad" / "model.yaml").mkdir(parents=True)
    return models / "x" / "bad"


VALID = "name: x\nversion: bad\ncreation_time: 2024-01-01T00:00:00\n"
RECORDS = {
    "empty": "",
    "no-yaml": "{[",
    "a-list": "- 1\n- 2\n",
    "no-name": "version: bad\n",
    "no-time": "name: x\nversion: bad\n",
    "binary": "\x00\x01",
    "tag": "!!python/object/apply:os.system ['true']",
    "contains-itself": VALID + "metadata: &a {self: *a}\n",
    "billions": VALID
    + "metadata:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "deep": VALID + "metadata: {a: " + "[" * 5000 + "]" * 5000 + "}\n",
    "bytes": VALID + "metadata: {a: !!binary aGk=}\n",
    "set": VALID + "metadata: {a: !!set {b, c}}\n",
    "number-as-key": VALID + "metadata: {1: 2}\n",
    "half-a-character": VALID + 'framework: "\\ud800"\n',
    "time-out-of-range": "name: x\nversion: bad\ncreation_time: 0001-01-01T00:00:00+14:00\n",
    "outside": VALID + "files: {../../../etc/passwd: {size: 1, sha256: " + "0" * 64 + "}}\n",
    "origin-outside": VALID + "content_digest: sha256:../../../etc/passwd\n",
    "objects": VALID + "custom_objects: {a: {path: b, options: [1]}}\n",
    "newer": VALID + "api_version: v9\n",
}
THINGS = {
    function.__name__: function
    for function in (
        folder_without_record,
        empty_folder,
        copied_version,
        file_among_versions,
        file_among_names,
        folder_of_no_name,
        link_to_a_version,
        link_to_a_name,
        link_to_nothing,
        record_is_a_link_to_itself,
        record_is_a_pipe,
        record_is_a_folder,
    )
} | {f"record-{name}": invalid(text) for name, text in RECORDS.items()}


@pytest.fixture
def filled(store: ModelStore) -> ModelStore:
    """Give a store with three models."""
    for number, tag in enumerate(("x:1", "x:2", "y:1")):
        save(store, tag, number)
    return store


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_no_model_is_named_and_passed_over(filled: ModelStore, thing: str) -> None:
    """List warns and goes on, each time; get, load, save, delete and gc of the others work; verify names the path."""
    path = THINGS[thing](Path(filled.layout.models))
    for store in (filled, ModelStore(filled.path), ModelStore(filled.path)):
        with pytest.warns(StoreWarning, match="bad|Not A Name") as caught:
            assert [str(model.tag) for model in store.list()] == ["x:2", "x:1", "y:1"]
        assert len(caught) == 1
        assert str(caught[0].message).startswith("Passed over ")
        assert caught[0].filename == __file__
    store = ModelStore(filled.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        assert mark_of(store.get("x:1").load()) == 0
        assert store.get("x").version == "2"
        assert {str(path), f"{path}/model.yaml"} & {problem.path for problem in verify(store)}
        assert verify(store, "x:1") == []
        save(store, "x:3", 3)
        store.edit("x:1", labels={"stage": "test"})
        store.delete("x:2")
        gc(store)
        assert [str(model.tag) for model in store.list()] == ["x:3", "x:1", "y:1"]
    assert os.path.lexists(path)


@pytest.mark.parametrize("thing", [folder_without_record, empty_folder, copied_version, link_to_a_version])
def test_what_is_no_model_can_be_deleted_by_its_full_version(filled: ModelStore, thing: Callable[[Path], Path]) -> None:
    """Delete removes it, and of a link only the link."""
    thing(Path(filled.layout.models))
    filled.delete("x:bad")
    assert [str(model.tag) for model in filled.list()] == ["x:2", "x:1", "y:1"]
    assert problems(filled) == []
    assert mark_of(filled.get("x:1").load()) == 0


@pytest.mark.parametrize("thing", [folder_without_record, empty_folder, file_among_versions])
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no-exchange"])
def test_a_save_never_replaces_what_is_no_model_unasked(
    filled: ModelStore, thing: Callable[[Path], Path], exchange: bool, request: pytest.FixtureRequest
) -> None:
    """An empty folder too, which a plain rename would replace without a word."""
    if not exchange:
        request.getfixturevalue("no_exchange")
    path = thing(Path(filled.layout.models))
    with pytest.raises(ModelExistsError, match="exists and is not a model"):
        save(filled, "x:bad", 1)
    assert path.exists()


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no-exchange"])
def test_a_file_in_the_place_of_a_names_folder_is_named(
    filled: ModelStore, exchange: bool, request: pytest.FixtureRequest
) -> None:
    """The error says what is in the way."""
    if not exchange:
        request.getfixturevalue("no_exchange")
    file_among_names(Path(filled.layout.models))
    with pytest.raises(StoreError, match="models/bad is a file"):
        save(filled, "bad", 1)


def test_a_record_that_is_mended_by_hand_is_listed_at_once(filled: ModelStore) -> None:
    """What was passed over is looked at again, although the name's folder did not change."""
    record = filled.get("x:1").path / "model.yaml"
    good = record.read_bytes()
    record.write_bytes(b"{[")
    os.utime(record.parent.parent, (1, 1))  # long ago, so that it is relied on
    with pytest.warns(StoreWarning, match="x/1"):
        assert len(filled.list()) == 3 - 1
    record.write_bytes(good)
    assert len(filled.list()) == 3


def test_foreign_files_in_other_folders_of_the_store_are_left_alone(filled: ModelStore) -> None:
    """Verify names them, and gc does not remove them."""
    layout = filled.layout
    places = [Path(layout.blobs, "notes.txt"), Path(layout.blobs, "ab", "notes.txt"), Path(layout.aliases, "x", "Bad")]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_text("notes")
    gc(filled)
    assert {problem.path for problem in problems(filled)} == {str(place) for place in places}
    assert all(place.exists() for place in places)


def test_an_edit_of_labels_by_hand_shows_until_it_is_accepted(filled: ModelStore) -> None:
    """It is warned of, kept, and becomes the record; framework and options are refused until then."""
    record = filled.get("x:1").path / "model.yaml"
    text = record.read_text()
    assert "mark: '0'" in text
    record.write_text(text.replace("mark: '0'", "mark: '0'\n  stage: by-hand"))
    model = filled.get("x:1")
    assert model.edited
    assert model.labels["stage"] == "by-hand"
    with pytest.warns(EditedRecordWarning, match="verify x:1 --accept"):
        assert mark_of(model.load()) == 0
    with pytest.raises(RecordError, match="edited by hand or damaged"):
        filled.edit("x:1", labels={"a": "b"})
    assert [(problem.tag, problem.state) for problem in verify(filled)] == [("x:1", "edited")]
    assert next(m for m in filled.list("x") if m.version == "1").edited
    digest = model.info.content_digest
    assert [problem.state for problem in verify(filled, "x:1", accept=True)] == ["repaired"]
    assert verify(filled) == []
    model = filled.get("x:1")
    assert (model.edited, model.labels["stage"], model.info.content_digest) == (False, "by-hand", digest)
    assert not any(m.edited for m in ModelStore(filled.path).list())


@pytest.mark.parametrize(
    ("old", "new"), [("framework: picklable", "framework: other"), ("options: {}", "options: {a: 1}")]
)
def test_an_edit_of_what_loading_depends_on_is_refused_until_it_is_accepted(
    filled: ModelStore, old: str, new: str
) -> None:
    """Load says why and what to do, and after accepting goes by the new record."""
    record = filled.get("x:1").path / "model.yaml"
    assert old in record.read_text()
    record.write_text(record.read_text().replace(old, new, 1))
    with pytest.raises(TiffinError) as caught:
        filled.get("x:1").load()
    if "framework" not in new:
        assert isinstance(caught.value, RecordError)
        assert "tiffin models verify x:1 --accept" in str(caught.value)
    before = filled.get("x:1").info.content_digest
    verify(filled, "x:1", accept=True)
    assert filled.get("x:1").info.content_digest != before
    assert verify(filled) == []


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "name",
    "version",
    "framework",
    "labels",
    "options",
    "metadata",
    "context",
    "signatures",
    "custom_objects",
    "creation_time",
    "size",
    "files",
    "content_digest",
    "more",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(FIELDS), value=VALUES)
def test_whatever_a_record_holds_the_others_are_listed(filled: ModelStore, field: str, value: object) -> None:
    """No value in any field of one record makes list, get, verify or delete of the others fail."""
    import yaml

    folder = Path(filled.layout.models, "z", "1")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = {"name": "z", "version": "1", "creation_time": "2024-01-01T00:00:00", field: value}
    (folder / "model.yaml").write_text(yaml.safe_dump(data, allow_unicode=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        listed = {str(model.tag): model for model in filled.list()}
        assert {"x:1", "x:2", "y:1"} <= listed.keys()
        if "z:1" in listed:
            model = listed["z:1"]
            assert (model.labels, model.size, model.framework) == (
                model.info.labels,
                model.info.size,
                model.info.framework,
            )
            assert ModelStore(filled.path).get("z:1").info == filled.get("z:1").info
        verify(filled)

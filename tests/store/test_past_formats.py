"""Small stored models of every past format version load on every run."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest

from inside.store import FORMAT
from tiffin.exceptions import StoreFormatError, VersionMismatchWarning
from tiffin.store import ModelStore
from tiffin.store.verifying import verify

STORES = Path(__file__).parent.parent / "data" / "stores"


@pytest.fixture(params=sorted(path.name for path in STORES.iterdir()))
def past(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    """Give a copy of a store that an earlier Tiffin wrote."""
    shutil.copytree(STORES / request.param, tmp_path / "store")
    return ModelStore(tmp_path / "store")


def test_every_format_version_has_a_stored_model() -> None:
    """Whoever raises the format version stores a model of it here."""
    assert {path.name for path in STORES.iterdir()} >= {f"v{number}" for number in range(1, FORMAT + 1)}


def test_a_model_of_a_past_format_loads(past: ModelStore) -> None:
    """The object, its custom objects, labels, metadata, signatures and aliases are what was saved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        assert [str(model.tag) for model in past.list()] == ["past:2", "past:1"]
        model = past.get("past:prod")
        assert model.version == "1"
        assert model.load() == {"weights": [0.5, -1.25, 3.0], "name": "past", "nested": {"a": (1, 2)}}
        assert dict(model.custom_objects) == {"vocabulary": ["a", "b"], "none": None}
        assert past.get("past:2").load() == [1, 2, 3]
    info = model.info
    assert info.labels == {"stage": "test", "team": "vision"}
    assert info.metadata["score"] == 0.875
    assert info.metadata["list"] == [1, "two", None]
    assert info.signatures["get"].batchable is False
    assert info.framework == "picklable"
    assert info.content_digest == info.compute_digest()


def test_a_store_of_a_past_format_is_as_it_was_saved_and_can_be_changed(past: ModelStore) -> None:
    """Verify finds nothing but the blobs' index, which a copy by git does not carry; edit, save and delete work."""
    assert {problem.state for problem in verify(past)} <= {"repaired"}
    assert verify(past) == []
    past.edit("past:1", labels={"stage": "done"})
    assert past.get("past:1").labels == {"stage": "done", "team": "vision"}
    past.save("past:3", {"new": True})
    past.delete("past:2")
    assert {str(model.tag) for model in past.list()} == {"past:1", "past:3"}
    assert verify(past) == []


@pytest.mark.parametrize("text", [str(FORMAT + 1), "99"])
def test_a_store_of_a_newer_format_is_refused(past: ModelStore, text: str) -> None:
    """Reading and changing say which format it has, and what to do."""
    (past.path / "format").write_text(text + "\n")
    for use in (
        lambda store: store.list(),
        lambda store: store.get("past:1"),
        lambda store: store.save("x", 1),
        lambda store: store.delete("past:1"),
        verify,
    ):
        with pytest.raises(
            StoreFormatError, match=f"has format {text}, and this Tiffin knows formats up to {FORMAT}"
        ) as caught:
            use(ModelStore(past.path))
        assert "pip install --upgrade tiffin" in str(caught.value)
    assert (past.path / "models" / "past" / "1" / "model.yaml").exists()

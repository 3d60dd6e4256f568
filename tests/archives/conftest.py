"""A store with a small model, and archives of any content, honest or not."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tiffin import Model, models
from tiffin.info import FileEntry, ModelInfo, render_record
from tiffin.store import ModelStore

CONTENT = {"weights.bin": bytes(range(256)) * 8, "notes.txt": b"plain text\n", "parts/a/one": b"1", "parts/empty": b""}


@pytest.fixture
def content() -> dict[str, bytes]:
    """What the files of `model` hold."""
    return dict(CONTENT)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """The store that models are exported from."""
    return ModelStore(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> ModelStore:
    """The store that models are imported into."""
    return ModelStore(tmp_path / "other")


@pytest.fixture
def model(store: ModelStore) -> Model:
    """A version `iris:v1` of a few small files."""
    return make_model(store, CONTENT)


def make_model(store: ModelStore, files: dict[str, bytes], tag: str = "iris:v1") -> Model:
    with models.create(tag, labels={"stage": "test"}, metadata={"accuracy": 0.5, "ü": [1, None]}, store=store) as new:
        for name, data in files.items():
            path = new.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    assert new.model is not None
    return new.model


@pytest.fixture
def make() -> Callable[..., Model]:
    """Make a version in a store of files."""
    return make_model


@pytest.fixture
def record() -> Callable[..., bytes]:
    """Make model.yaml for files, sealed as Tiffin seals it."""

    def record(content: dict[str, bytes], **changes: Any) -> bytes:
        entries = {path: FileEntry(len(data), hashlib.sha256(data).hexdigest()) for path, data in content.items()}
        info = ModelInfo(**{"name": "iris", "version": "v1", "files": entries, **changes})
        return render_record(attrs.evolve(info, content_digest=info.compute_digest()))

    return record


@pytest.fixture
def tar() -> Callable[..., bytes]:
    """Make a tar archive of members: (name, content), or (TarInfo, content)."""

    def tar(*members: tuple[Any, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=format) as archive:
            for member, data in members:
                entry = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
                if data and not entry.size:
                    entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return target.getvalue()

    return tar


@pytest.fixture
def bring(tmp_path: Path, other: ModelStore) -> Callable[..., Model]:
    """Import these bytes into `other`; after an error check that the store is as it was."""

    def bring(data: bytes, **options: Any) -> Model:
        path = tmp_path / "came.in"
        path.write_bytes(data)
        before = content_of(other)
        try:
            return models.import_model(path, store=other, **options)
        except Exception:
            assert content_of(other) == before, "an import that failed changed the store"
            raise

    return bring


def content_of(store: ModelStore) -> dict[str, bytes | None]:
    """Return all that is in a store but the folders of one that is empty."""
    empty = (
        "format",
        "models",
        "staging",
        "origins",
        "aliases",
        "blobs",
        "blobs/sha256",
        "arrivals",
        "signatures",
        "examples",
        "partial",
        "journal",
        "trash",
    )
    return {path: data for path, data in tree_of(store.path).items() if path not in empty}


def tree_of(folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for parent, folders, files in os.walk(folder):
        for name in files:
            if not name.startswith("catalog.sqlite"):
                path = Path(parent, name)
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
        for name in folders:
            path = Path(parent, name)
            found[path.relative_to(folder).as_posix()] = None
    return found


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes | None]]:
    """Read all files below a folder."""
    return tree_of


@pytest.fixture
def bring_folder(other: ModelStore) -> Callable[..., Model]:
    """Import a folder into `other`; after an error check that the store is as it was."""

    def bring_folder(folder: Path, **options: Any) -> Model:
        before = content_of(other)
        try:
            return models.import_model(folder, store=other, **options)
        except Exception:
            assert content_of(other) == before, "an import that failed changed the store"
            raise

    return bring_folder

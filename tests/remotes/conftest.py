"""Two stores, and models of a few files to push from one and to pull into the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tiffin import Model, models
from tiffin.store import ModelStore

CONTENT = {
    "weights.bin": bytes(range(256)) * 8,
    "notes.txt": b"plain text\n",
    "again.txt": b"plain text\n",
    "parts/a/one": b"1",
    "parts/empty": b"",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, so that no remote of the user's is meant."""
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TIFFIN_REMOTE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """The store that models are pushed from."""
    return ModelStore(tmp_path / "store")


@pytest.fixture
def other(tmp_path: Path) -> ModelStore:
    """The store that models are pulled into."""
    return ModelStore(tmp_path / "other")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder that is a remote."""
    return str(tmp_path / "remote")


def make_model(store: ModelStore, files: dict[str, bytes], tag: str = "iris:v1", **labels: str) -> Model:
    with models.create(tag, labels=labels, metadata={"accuracy": 0.5, "ü": [1, None]}, store=store) as new:
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
def model(store: ModelStore) -> Model:
    """A version `iris:v1` of a few small files, two of them the same."""
    return make_model(store, CONTENT, stage="test")


@pytest.fixture
def large(store: ModelStore) -> Model:
    """A version `large:v1` of ten parts of 2 MiB each."""
    return make_model(store, {f"part{number}": os.urandom(2 << 20) for number in range(10)}, "large:v1")


def below(folder: Path | str) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())

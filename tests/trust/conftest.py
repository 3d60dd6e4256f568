"""Fixtures for tests of trust: an adapter of pickles, and models that come from elsewhere."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiffin
from inside.plugins import without_packages
from tiffin import Model, hookimpl, models
from tiffin.plugins import Registry


class Box:
    """A toy model that is pickled by its name."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


class BoxAdapter:
    """A toy adapter of the framework `box`: pickles what it stores."""

    lists: Any = {}  # noqa: RUF012 - set anew by tests
    code_files: Any = ("*.pkl",)
    readers: Any = {"*.pkl": "pickle"}  # noqa: RUF012 - set anew by tests

    def say(self, **fields: Any) -> None:
        """Describe itself otherwise from now on."""
        vars(self).update(fields)
        tiffin.unregister("box")
        tiffin.register(self, "box")

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {
            "types": [f"{Box.__module__}.{Box.__qualname__}"],
            "signatures": {},
            "code_files": self.code_files,
            "code_readers": self.readers,
            **self.lists,
        }

    @hookimpl
    def save(self, model: Box, path: Path) -> None:
        (path / "box.pkl").write_bytes(pickle.dumps(model.value))

    @hookimpl
    def load(self, path: Path, trusted: bool, read: Any) -> Box:
        if not trusted:
            return Box(read("box.pkl"))
        return Box(pickle.loads((path / "box.pkl").read_bytes()))


class Runs:
    """Makes the file named by $TIFFIN_TEST_CANARY when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ('touch "$TIFFIN_TEST_CANARY"',)


@pytest.fixture
def box() -> type[Box]:
    """Return the class of the toy models."""
    return Box


@pytest.fixture
def evil() -> Runs:
    """Return what runs a program when it is unpickled."""
    return Runs()


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the file that `evil` makes."""
    path = tmp_path / "canary"
    monkeypatch.setenv("TIFFIN_TEST_CANARY", str(path))
    return path


@pytest.fixture
def adapter(fresh_registry: Registry, monkeypatch: pytest.MonkeyPatch) -> BoxAdapter:
    """Register the toy adapter alone."""
    without_packages(monkeypatch)
    adapter = BoxAdapter()
    tiffin.register(adapter, "box")
    return adapter


@pytest.fixture
def from_elsewhere(
    adapter: BoxAdapter, store_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Model]:
    """Return a function that saves an object in another store, and brings it into this one."""
    elsewhere = tiffin.ModelStore(tmp_path / "elsewhere")

    def bring(value: Any, *, by: str = "import", over: Any = None, **options: Any) -> Model:
        saved = elsewhere.save("gift", Box(value), **options)
        if by == "import":
            archive = models.export_model(saved.tag, tmp_path / "gift.tiffin", force=True, store=elsewhere)
            return models.import_model(archive, name=over, force=over is not None)
        target = tiffin.models.default_store().path / "models" / "gift" / saved.version
        tiffin.models.default_store().layout.prepare()
        shutil.copytree(saved.path, target)
        return tiffin.models.get(saved.tag)

    return bring

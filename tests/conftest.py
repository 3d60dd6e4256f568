"""Fixtures: a store of the test's own; a toy adapter, since core's tests run without any; servers on loopback."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

import servers
import tiffin
from inside.plugins import use
from tiffin import hookimpl
from tiffin.plugins import Registry


class Table:
    """A toy model: looks keys up. Defined here, where no installed adapter knows it."""

    def __init__(self, items: dict[str, Any]) -> None:
        self.items = items

    def lookup(self, key: str, default: Any = None) -> Any:
        return self.items.get(key, default)

    def lookup_all(self, keys: list[str], default: Any = None) -> list[Any]:
        return [self.items.get(key, default) for key in keys]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.items == other.items

    __hash__ = None  # type: ignore[assignment]


class TableAdapter:
    """A toy adapter of the framework `table`."""

    types = (f"{Table.__module__}.{Table.__qualname__}",)
    distributions: tuple[str, ...] = ("attrs",)
    options: Any = MappingProxyType({"indent": None})

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {
            "types": self.types,
            "distributions": self.distributions,
            "signatures": {"lookup": {"batchable": False}},
            "options": self.options,
            "code_files": (),
        }

    @hookimpl
    def save(self, model: Table, path: Path, options: Any) -> None:
        (path / "table.json").write_text(json.dumps(model.items, indent=options["indent"]), encoding="utf-8")

    @hookimpl
    def load(self, path: Path) -> Table:
        return Table(json.loads((path / "table.json").read_text(encoding="utf-8")))


@pytest.fixture
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Give the process a registry that has seen nothing yet."""
    registry = Registry()
    use(registry, monkeypatch)
    return registry


@pytest.fixture
def table_class() -> type[Table]:
    """Return the class of the toy models."""
    return Table


@pytest.fixture
def table_adapter(fresh_registry: Registry) -> TableAdapter:
    """Register the toy adapter as `table`, in a registry of its own."""
    adapter = TableAdapter()
    tiffin.register(adapter, "table")
    return adapter


@pytest.fixture
def module_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], ModuleType]]:
    """Return what makes a module of a name and a text, which only this process can import."""
    made: list[str] = []

    def module_here(name: str, text: str) -> ModuleType:
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        made.append(name)
        return importlib.import_module(name)

    yield module_here
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def table(table_adapter: TableAdapter, store_home: Path) -> Table:
    """Return a toy model, where the store is empty and the toy adapter is there."""
    return Table({"a": 1, "b": [2]})


DRIVERS = {"s3": "s3fs", "gcs": "gcsfs", "azure": "adlfs", "ftp": "fsspec", "sftp": "paramiko", "webdav": "webdav4"}


@pytest.fixture(scope="module", params=[*servers.SERVERS, "memory"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server of each protocol, started once."""
    if request.param == "memory":
        yield servers.Server(f"memory://{request.module.__name__}", {})
        return
    if importlib.util.find_spec(DRIVERS[request.param]) is None:  # not imported: gcsfs reads its settings as it is
        pytest.skip(f"{DRIVERS[request.param]} is not installed; make setup brings it")
    with contextlib.ExitStack() as stack:
        try:
            started = servers.SERVERS[request.param](tmp_path_factory.mktemp(request.param))
            yield stack.enter_context(started)
        except servers.Missing as error:
            pytest.skip(str(error))

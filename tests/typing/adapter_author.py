"""Type-checked, never run: an adapter and an audit plugin as their authors write them, with and without classes."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs

import tiffin
from tiffin import AdapterInfo, Model, ModelOptions, Runnable, Tag, hookimpl
from tiffin.plugins import StoredModel


class Table:
    """A framework's model."""

    items: dict[str, Any]


@attrs.frozen(kw_only=True)
class TableOptions(ModelOptions):
    """The adapter's options."""

    indent: int = 0


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter."""
    AdapterInfo(type=["a"])  # type: ignore[call-arg]
    AdapterInfo(resources=3)  # type: ignore[arg-type]
    return AdapterInfo(
        types=["kvlib.Table"],
        distributions=["kvlib"],
        signatures={"lookup": {"batchable": False}},
        options=TableOptions,
        code_files=(),
    )


@hookimpl
def save(model: Table, path: Path, options: TableOptions) -> TableOptions:
    """Write the model's files."""
    (path / "table.json").write_text(json.dumps(model.items, indent=options.indent))
    options.with_options(indent=2).indent.bit_length()
    options.indent = 3  # type: ignore[misc]
    return options.with_options(indent=options.indent)


@hookimpl
def load(path: Path) -> Table:
    """Read them back."""
    table = Table()
    table.items = json.loads((path / "table.json").read_text())
    return table


@hookimpl
def get_runnable(model: StoredModel) -> type[Runnable]:
    """Return a class of the adapter's own."""

    class TableRunnable(Runnable):
        def __init__(self) -> None:
            self.table: Table = model.load()

        @Runnable.method
        def lookup(self, key: str) -> Any:
            return self.table.items[key]

        @Runnable.method(batchable=True, batch_dim=0)
        def lookup_all(self, keys: list[str]) -> list[Any]:
            return [self.table.items[key] for key in keys]

    return TableRunnable


class Audit:
    """A plugin that listens and wraps."""

    @hookimpl
    def model_saved(self, model: Model) -> None:
        """Note a save."""
        print(model.tag)

    @hookimpl
    def model_deleted(self, tag: Tag) -> None:
        """Note a deletion."""
        print(tag)

    @hookimpl(wrapper=True)
    def save(self, model: object) -> Generator[None, Any, Any]:
        """Stand around every save."""
        print(type(model))
        return (yield)


tiffin.register(Audit(), "audit")
tiffin.register(Audit(), name=3)  # type: ignore[arg-type]
tiffin.unregister("audit")

"""Batch jobs for Tiffin: score files of any size with a stored model, and give models to engines of data.

The plugin has the command `tiffin map`, and is behind `tiffin.map` and `Model.as_udf`. It is loaded with every other plugin,
in workers too, so each part is imported when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tiffin import hookimpl

if TYPE_CHECKING:
    import click

_NAMES = {
    "MapError": "_errors",
    "Summary": "_job",
    "TooManyBadRowsError": "_errors",
    "Udf": "_udf",
    "as_udf": "_udf",
    "map": "_mapping",
}

__all__ = ["commands", *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@hookimpl
def commands() -> dict[str, click.Command]:
    """Add `tiffin map`."""
    from tiffin_map import _command

    return {"map": _command.map_command}

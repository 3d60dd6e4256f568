"""Serving for Tiffin: stored models behind HTTP.

The plugin has the command `tiffin serve`. It is loaded with every other plugin, in workers too, so each part is imported when
it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tiffin import hookimpl

if TYPE_CHECKING:
    import click

_NAMES = {
    "Application": "_application",
    "AsgiApplication": "_asgi",
    "AsyncClient": "_client",
    "Client": "_client",
    "Context": "_context",
    "Limits": "_requests",
    "Place": "_served",
    "Request": "_requests",
    "RequestError": "_errors",
    "ServeError": "_errors",
    "Service": "_service",
    "Served": "_served",
    "Shelf": "_served",
    "current_context": "_context",
    "Watch": "_watching",
    "fill": "_making",
    "make_application": "_making",
}

__all__ = ["commands", *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@hookimpl
def commands() -> dict[str, click.Command]:
    """Add `tiffin serve`."""
    from tiffin_serve import _command

    return {"serve": _command.serve_command}

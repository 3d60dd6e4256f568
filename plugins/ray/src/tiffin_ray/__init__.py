"""Runners on Ray for Tiffin: the back end `ray`, whose workers are actors of a cluster.

The plugin is loaded with every other one, in workers too, so each part is imported when it is used, and Ray when a runner
asks for the back end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tiffin import hookimpl

if TYPE_CHECKING:
    from tiffin.runners import Backend

_NAMES = {"RayBackend": "_backend", "recorded_environment": "_environments"}

__all__ = ["runner_backends", *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@hookimpl
def runner_backends() -> Mapping[str, Callable[[], Backend]]:
    """Add the back end `ray`, as the section `[ray]` of config.toml sets it up."""

    def configured() -> Backend:
        from tiffin_ray._backend import RayBackend

        return RayBackend.configured()

    return {"ray": configured}

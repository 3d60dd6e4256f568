"""Back ends by name, and what plugins add to runners."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from tiffin.calls import Backend
from tiffin.exceptions import RunnerError
from tiffin.hints import install_hint
from tiffin.plugins import registry as plugins
from tiffin.runners._local import LocalBackend
from tiffin.runners._resources import available_processors
from tiffin.showing import close_names
from tiffin.values import container_kind, register_kind
from tiffin.workers import ProcessBackend

backends: dict[str, Callable[[], Backend]] = {"local": LocalBackend, "process": ProcessBackend}
"""What makes a back end, by the name that `backend=` takes."""


def register_backend(name: str, make: Callable[[], Backend]) -> None:
    """Offer a back end under a name, in this process.

    Args:
        name: what `backend=` takes.
        make: returns the back end; called for each runner that uses it.
    """
    backends[name] = make


def register_backends(made: Mapping[str, Callable[[], Backend]]) -> None:
    """Offer every entry, as answered by a plugin's `runner_backends` hook."""
    for name, make in made.items():
        register_backend(name, make)


def find_backend(backend: str | Backend) -> Backend:
    """Return the back end of this name, or the one that is given.

    Raises:
        RunnerError: there is none of that name, or it is none.
    """
    if not isinstance(backend, str):
        if isinstance(backend, type) or not hasattr(backend, "takes_ahead"):
            raise RunnerError(
                f"backend={backend!r:.80} is no back end",
                why=f"Known here: {', '.join(sorted([*backends, 'auto']))}",
                fix="Give the name of one, or an object of a class such as tiffin.runners.ProcessBackend",
                runner="",
            )
        return backend
    make = backends.get(backend)
    if make is None:
        close = close_names(backend, backends, 1)
        raise RunnerError(
            f"There is no runner back end {backend!r}",
            why=f"Known here: {', '.join(sorted([*backends, 'auto']))}",
            fix=install_hint(backend, "backends")
            or (
                f"Did you mean {close[0]!r}?"
                if close
                else "Install what brings it, or register it with register_backend"
            ),
            runner="",
        )
    return make()


def choose_backend(backend: str | Backend, runnable: type) -> tuple[Backend, str]:
    """Return the back end that is asked for, and its name; for "auto" the one that suits the runnable, and why it does.

    Raises:
        RunnerError: there is none of that name.
    """
    if not isinstance(backend, str):
        return find_backend(backend), type(backend).__name__
    if backend != "auto":
        return find_backend(backend), backend
    holds = getattr(runnable, "HOLDS_GIL", None)
    if holds is None:
        return find_backend("local"), "local: nothing says that its methods hold the GIL for long (HOLDS_GIL)"
    if not holds:
        return find_backend(
            "local"
        ), "local: its methods leave the GIL to others while they compute, as it says (HOLDS_GIL)"
    if available_processors() < 2:
        return find_backend("local"), "local: its methods hold the GIL, but there is one processor only"
    return find_backend("process"), "process: its methods hold the GIL for long, as it says (HOLDS_GIL)"


def ask_plugins() -> Callable[..., Any] | None:
    """Take in what the hooks `batch_containers` and `runner_backends` answer; return who is to hear of batches that ran.

    Raises:
        PluginError: a plugin cannot be used; it is named, and how to switch it off.
    """
    hooks = plugins().broadcast()
    for added in hooks.batch_containers():
        warnings.warn(
            "The hook batch_containers goes with the next release; answer the hook values, with a tiffin.values.ValueKind",
            DeprecationWarning,
            stacklevel=3,
        )
        for claim, container in added.items():
            register_kind(container_kind(claim, container))
    for backends in hooks.runner_backends():
        register_backends(backends)
    return hooks.batch_ran if hooks.batch_ran.get_hookimpls() else None

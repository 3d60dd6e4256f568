"""Methods as attributes of a runner, those with names of the runner's own among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class OwnAndMethod:
    """What a runner has under a name that a method of its model has too: `runner.run(x)` and `runner.run.run(x)`."""

    def __init__(self, own: Callable[..., Any], method: Any) -> None:
        self._own, self._method = own, method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._own(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def __repr__(self) -> str:
        return f"<{self._method!r}; called, it is the runner's own>"


def offer_methods(runner: Any, methods: Mapping[str, Any]) -> None:
    """Make each method an attribute of a runner.

    Where the runner has a method of that name itself, both are reached: the runner's by calling it, the model's by its
    `run`, `async_run` and `options`. What else the runner has stays as it is; `runner.methods` has all.
    """
    for name, method in methods.items():
        if name.startswith("_"):
            continue  # `__call__`, `__getitem__`, …: the runner's `run`, or found in `methods`
        if not hasattr(type(runner), name) and name not in vars(runner):
            setattr(runner, name, method)
        elif callable(own := getattr(runner, name)):
            setattr(runner, name, OwnAndMethod(own, method))

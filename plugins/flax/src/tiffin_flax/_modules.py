"""Modules as runners call them."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from flax import linen, nnx


def running(obj: Any) -> Any:
    """Return what runs: of a module of nnx one in evaluation mode, over the same arrays, since calls may change it."""
    if isinstance(obj, linen.Module) and obj.scope is not None:
        return Applied(obj)
    if not isinstance(obj, nnx.Module):
        return obj
    copied = nnx.merge(*nnx.split(obj))
    copied.eval()
    return copied


class Applied:
    """A module of linen that is applied to its variables anew in each call: one that is bound counts its layers as it runs.

    Args:
        module: the module, bound.
    """

    def __init__(self, module: Any) -> None:
        self._module, self._variables = module.unbind()
        self.__signature__ = inspect.signature(module.__call__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the module."""
        return self._module.apply(self._variables, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__dict__["_module"], name)
        if not inspect.ismethod(found):
            return found
        return functools.wraps(found)(functools.partial(self._module.apply, self._variables, method=name))

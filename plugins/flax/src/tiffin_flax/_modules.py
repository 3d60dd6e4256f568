"""Modules as runners call them."""

from __future__ import annotations

from typing import Any

from flax import nnx


def evaluating(obj: Any) -> Any:
    """Return a module of nnx in evaluation mode: a new one over the same arrays, since methods may change their own."""
    if not isinstance(obj, nnx.Module):
        return obj
    copied = nnx.merge(*nnx.split(obj))
    copied.eval()
    return copied

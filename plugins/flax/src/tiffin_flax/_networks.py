"""Modules of both kinds, to check the adapter with."""

from __future__ import annotations

from typing import Any

from flax import linen, nnx


class Linen(linen.Module):  # type: ignore[misc]
    """A layer, a norm and a dropout."""

    width: int

    @linen.compact  # type: ignore[untyped-decorator]
    def __call__(self, rows: Any, train: bool = False) -> Any:
        """Return the network's answer."""
        rows = linen.BatchNorm(use_running_average=not train)(linen.Dense(self.width)(rows))
        return linen.Dropout(0.5, deterministic=not train)(rows)


class Nnx(nnx.Module):  # type: ignore[misc]
    """The same, as nnx has it."""

    def __init__(self, width: int, rngs: Any) -> None:
        self.dense, self.norm = nnx.Linear(4, width, rngs=rngs), nnx.BatchNorm(width, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, rows: Any) -> Any:
        """Return the network's answer."""
        return self.dropout(self.norm(self.dense(rows)))

"""Whoever answers for a runner that has been handed over: callers of this process hold its methods, and go on with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from tiffin.batching import Batch, Chunk

if TYPE_CHECKING:
    from tiffin.runners._engine import Engine
    from tiffin.runners._lanes import Lanes


class Heir:
    """The engine that takes what comes to another one.

    Args:
        engine: the engine.
        lanes: where its async and streaming calls run.
        methods: the methods whose calls merge there as they did before; calls of others are refused.
        life: keeps the engine running.
    """

    def __init__(self, engine: Engine, lanes: Lanes, methods: Collection[str], life: Any) -> None:
        self.engine, self.lanes = engine, lanes
        self._methods, self._life = methods, life

    def submit(self, chunks: Sequence[Chunk], refusal: Callable[[], BaseException]) -> None:
        """Take calls in, or answer them with `refusal`. Raises as `Engine.submit`."""
        for chunk in chunks:
            if not self._moves(chunk):
                chunk.sink.reject(chunk, [refusal() for _ in chunk.waiters])
        self.engine.submit([chunk for chunk in chunks if chunk.method.name in self._methods])

    def run_inline(self, chunk: Chunk, explain: Callable[[Any, Batch], Any] | None, not_free: Any) -> Any:
        """Run a call as `Engine.run_inline`; return `not_free` for one that is not taken."""
        return self.engine.run_inline(chunk, explain) if self._moves(chunk) else not_free

    def _moves(self, chunk: Chunk) -> bool:
        if chunk.method.name not in self._methods:
            return False
        chunk.method = self.engine.core.methods[chunk.method.name]
        return True

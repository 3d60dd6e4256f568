"""Runnables of the tests, in a module that actors import as these tests do."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np

from tiffin.runners import Runnable, running_calls


class Numbers(Runnable):
    """Methods of every kind."""

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor
        self.thread = threading.get_ident()

    @Runnable.method(batchable=True)
    def scale(self, x: Any) -> Any:
        """Scale in place, as methods may."""
        x *= self.factor
        return x

    @Runnable.method
    def where(self) -> tuple[int, str, bool]:
        """Return the process, the node, and whether this is the thread that made the runnable."""
        import ray

        return os.getpid(), ray.get_runtime_context().get_node_id(), self.thread == threading.get_ident()

    @Runnable.method
    def variable(self, name: str) -> str | None:
        return os.environ.get(name)

    @Runnable.method
    def fail(self) -> None:
        raise ValueError("no such number")

    @Runnable.method
    def give_a_lock(self) -> Any:
        return threading.Lock()

    @Runnable.method
    def sleep(self) -> None:
        time.sleep(60)

    @Runnable.method(idempotent=False)
    def end(self) -> None:
        os._exit(3)

    @Runnable.method
    def request(self) -> str:
        return running_calls()[0].request_id

    @Runnable.method
    def count(self, end: int) -> Iterator[dict[str, int]]:
        for number in range(end):
            yield {"number": number}
            if number == 20:
                raise ValueError("that is enough")

    @Runnable.method
    async def later(self, x: int) -> int:
        await asyncio.sleep(0.01)
        return x * self.factor

    @Runnable.method
    async def count_later(self, end: int) -> AsyncIterator[int]:
        for number in range(end):
            await asyncio.sleep(0)
            yield number


class Doubler:
    """A model without a framework."""

    def predict(self, x: Any) -> Any:
        return np.asarray(x) * 2

    def process(self, x: Any) -> int:
        return os.getpid()


class Tripler(Doubler):
    """Its next version."""

    def predict(self, x: Any) -> Any:
        return np.asarray(x) * 3

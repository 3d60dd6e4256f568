"""Several contents at once: the first failure ends all, and is the one that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from tiffin.remotes._streams import Stop, StoppedError

T = TypeVar("T")
R = TypeVar("R")


def each(function: Callable[[T], R], items: Iterable[T], threads: int, stop: Stop) -> list[R]:
    """Return what a function returns for each item, in their order.

    Args:
        function: called from `threads` threads at once.
        items: what for.
        threads: how many.
        stop: stopped when a call fails.

    Raises:
        Exception: what the first call that failed raised.
    """
    with ThreadPoolExecutor(threads, "tiffin-transfer") as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            # After Ctrl-C, too: the pool's end waits for the calls that run.
            if not all(future.done() and not future.cancelled() and future.exception() is None for future in futures):
                stop.stop()
                for future in futures:
                    future.cancel()
    errors = [future.exception() for future in futures if not future.cancelled()]
    for error in errors:
        if error is not None and not isinstance(error, StoppedError):
            raise error
    return [future.result() for future in futures]

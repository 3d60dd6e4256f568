"""Handing answers to the ports that the calls came through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiffin.batching import Batch, Chunk
from tiffin.exceptions import RunnerError


def presentable(error: BaseException, method: str, runner: str) -> BaseException:
    """Return an error that can be set on a future: one that no event loop or thread takes for a signal to itself."""
    if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    wrapped = RunnerError(f"{method!r} raised {type(error).__name__}: {error}", runner=runner)
    wrapped.__cause__ = error
    return wrapped


def deliver(answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
    """Hand each port its answers, all at once."""
    first = answered[0][0].sink
    if len(answered) == 1 or all(chunk.sink is first for chunk, _ in answered):
        first.deliver(answered, batch)
        return
    by_sink: dict[int, list[tuple[Chunk, Sequence[Any]]]] = {}
    for entry in answered:
        by_sink.setdefault(id(entry[0].sink), []).append(entry)
    for entries in by_sink.values():
        entries[0][0].sink.deliver(entries, batch)


def reject(rejections: Sequence[tuple[Chunk, Sequence[BaseException]]]) -> None:
    """Hand each port the errors of its calls."""
    for chunk, errors in rejections:
        chunk.sink.reject(chunk, errors)

"""Calls larger than a batch: split into parts that fit, and put together again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from tiffin.batching._chunks import Batch, Chunk
from tiffin.batching._merging import Layout


class Assembly:
    """One call that was split: it waits for its parts, and is their sink.

    The parts may run at the same time on several workers, so it has a lock.
    """

    def __init__(self, whole: Chunk, layout: Layout) -> None:
        self._whole = whole
        self._layout = layout
        self._results: dict[int, Any] = {}
        self._parts = 0
        self._failed = False
        self._lock = threading.Lock()

    def done(self) -> bool:
        """Return whether nobody waits any more: the caller is gone, or a part has failed."""
        return self._failed or self._whole.waiters[0].done()

    def add_part(self) -> Part:
        """Return the waiter of the next part."""
        self._parts += 1
        return Part(self, self._parts - 1)

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Take in parts' results; hand on the whole with the last."""
        for chunk, results in answered:
            with self._lock:
                for part, result in zip(chunk.waiters, results, strict=True):
                    self._results[part.number] = result
                complete = len(self._results) == self._parts and not self._failed
            if complete:
                try:
                    all_results = [self._results[number] for number in range(self._parts)]
                    whole = self._layout.join_results(all_results, by_order=self._whole.method.lists_rows)
                except ValueError as error:  # a BatchRowsError
                    self._whole.sink.reject(self._whole, [error])
                else:
                    self._whole.sink.deliver([(self._whole, [whole])], batch)

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Hand on the first part's error as that of the whole."""
        with self._lock:
            first, self._failed = not self._failed, True
        if first:
            self._whole.sink.reject(self._whole, errors[:1])


class Part:
    """The waiter of one part."""

    __slots__ = ("_assembly", "number")

    def __init__(self, assembly: Assembly, number: int) -> None:
        self._assembly = assembly
        self.number = number

    def done(self) -> bool:
        """Return whether nobody waits for the whole any more."""
        return self._assembly.done()


def split_oversize(chunk: Chunk, size: int) -> list[Chunk]:
    """Return chunks in the order of the calls, with those of more than `size` rows split into parts of at most that."""
    if max(chunk.counts or (chunk.each,)) <= size:
        return [chunk]
    pieces: list[Chunk] = []
    gathered: list[Chunk] = []

    def flush() -> None:
        if gathered:
            pieces.append(_join(gathered))
            gathered.clear()

    for single in chunk.singles():
        if single.each <= size or single.layout is None:
            gathered.append(single)
            continue
        flush()
        layout = single.layout
        assembly = Assembly(single, layout)
        for start in range(0, single.each, size):
            stop = min(start + size, single.each)
            payload = layout.slice_payload(single.payloads[0], start, stop)
            part = single.like([payload], [assembly.add_part()], stop - start, None)
            part.sink = assembly
            pieces.append(part)
        # The whole needs its waiter and sink only; its parts hold views of the rows.
        single.payloads = []
    flush()
    return pieces


def _join(singles: list[Chunk]) -> Chunk:
    payloads = [single.payloads[0] for single in singles]
    waiters = [single.waiters[0] for single in singles]
    return singles[0].like(payloads, waiters, 0, [single.each for single in singles])

"""What waits: chunks of calls, in groups of calls that may share a batch; and what runs: batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tiffin.batching._merging import Layout
from tiffin.calls import CallAbout
from tiffin.values import registry
from tiffin.values.kinds import could_be_outputs

if TYPE_CHECKING:
    from tiffin.batching._method import Method


class Waiter(Protocol):
    """Whoever waits for a call's answer. A future of asyncio is one."""

    def done(self) -> bool:
        """Return whether nobody waits any more: cancelled, timed out, gone."""


class Sink(Protocol):
    """Where answers go: the port through which the calls came."""

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        """Hand each waiter of each chunk its result. Called from the thread that ran the batch; must not block."""

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Hand each waiter of the chunk its error. Must not block."""


class Chunk:
    """Calls of one kind that came together through one port: parallel lists of payloads and waiters.

    Attributes:
        method: the method they call.
        key: chunks with equal keys may share a batch; `None`: with no other.
        layout: how payloads merge, or `None` for calls that run as they are, one by one.
        payloads: what each call brings.
        waiters: who waits for each.
        each: the rows of every single call, if they are all the same, else 0.
        counts: the rows of each call, if they differ, else `None`.
        sink: where answers go.
        arrived: when it came, seconds.
        deadline: when its answers are worth nothing any more, seconds.
        sequence: its place in line.
        repeated: whether a worker has died over it already.
        about: what their callers say of them, the same of all; `None` if nothing.
    """

    __slots__ = (
        "about",
        "arrived",
        "counts",
        "deadline",
        "each",
        "key",
        "layout",
        "method",
        "payloads",
        "repeated",
        "sequence",
        "sink",
        "waiters",
    )

    def __init__(
        self,
        method: Method,
        key: Hashable,
        layout: Layout | None,
        payloads: list[Any],
        waiters: list[Any],
        each: int,
        counts: list[int] | None,
        sink: Sink,
    ) -> None:
        self.method = method
        self.key = key
        self.layout = layout
        self.payloads = payloads
        self.waiters = waiters
        self.each = each
        self.counts = counts
        self.sink = sink
        self.arrived = 0.0
        self.deadline = 0.0
        self.sequence = 0
        self.repeated = False
        self.about: CallAbout | None = None

    def like(self, payloads: list[Any], waiters: list[Any], each: int, counts: list[int] | None) -> Chunk:
        """Return a chunk of these calls that is like this one in all else."""
        chunk = Chunk(self.method, self.key, self.layout, payloads, waiters, each, counts, self.sink)
        chunk.arrived, chunk.deadline = self.arrived, self.deadline
        chunk.sequence, chunk.repeated, chunk.about = self.sequence, self.repeated, self.about
        return chunk

    @property
    def rows(self) -> int:
        """How many rows all its calls have together."""
        return self.each * len(self.waiters) if self.counts is None else sum(self.counts)

    def take_front(self, calls: int) -> Chunk:
        """Cut off and return the first calls, as a chunk of their own."""
        counts = None if self.counts is None else self.counts[:calls]
        front = self.like(self.payloads[:calls], self.waiters[:calls], self.each, counts)
        del self.payloads[:calls], self.waiters[:calls]
        if self.counts is not None:
            del self.counts[:calls]
        return front

    def take_back(self, calls: int) -> Chunk:
        """Cut off and return all but the first calls, as a chunk of their own."""
        front = self.take_front(calls)
        back = self.like(self.payloads, self.waiters, self.each, self.counts)
        self.payloads, self.waiters, self.counts = front.payloads, front.waiters, front.counts
        return back

    def count_fitting(self, room: int) -> int:
        """Return how many of its first calls have at most `room` rows together."""
        if self.counts is None:
            return min(len(self.waiters), room // self.each) if self.each else len(self.waiters)
        for number, count in enumerate(self.counts):
            room -= count
            if room < 0:
                return number
        return len(self.counts)

    def remove_dead(self) -> int:
        """Remove the calls for which nobody waits any more, and return how many they were."""
        alive = [number for number, waiter in enumerate(self.waiters) if not waiter.done()]
        removed = len(self.waiters) - len(alive)
        if removed:
            self.payloads = [self.payloads[number] for number in alive]
            self.waiters = [self.waiters[number] for number in alive]
            if self.counts is not None:
                self.counts = [self.counts[number] for number in alive]
        return removed

    def has_dead(self) -> bool:
        """Return whether nobody waits for one of its calls."""
        for waiter in self.waiters:  # noqa: SIM110 - a generator costs twice as much, and this runs for every call
            if waiter.done():
                return True
        return False

    def singles(self) -> list[Chunk]:
        """Return a chunk for each call."""
        eaches = [self.each] * len(self.waiters) if self.counts is None else self.counts
        return [
            self.like([payload], [waiter], each, None)
            for payload, waiter, each in zip(self.payloads, self.waiters, eaches, strict=True)
        ]


class Group:
    """Chunks that may share a batch, oldest first."""

    __slots__ = ("chunks", "key", "method")

    def __init__(self, method: Method, key: Hashable) -> None:
        self.method = method
        self.key = key
        self.chunks: deque[Chunk] = deque()


class Batch:
    """What one worker runs at one time: calls of one kind.

    Attributes:
        number: counts the batches of the runner.
        method: the method.
        chunks: the calls, oldest first.
        rows: their rows together.
        calls: how many they are.
        reason: why it left when it did, one of the `RELEASED_…` constants.
        started: when, seconds.
        finished: when it was done, seconds; 0 before.
        worker: who runs it.
        probe: why it runs once more, if it does.
        abandoned: whether its calls have been answered (with an error) while it still runs.
        ahead: whether it is with its worker already, but waits there for another batch to end.
        thread: the thread of the caller that runs it itself, else 0.
        known: whether the state machine was told of it.
        failed: whether it failed, for one that a caller's thread runs.
        returned: whether that thread has given its worker back.
    """

    __slots__ = (
        "abandoned",
        "ahead",
        "calls",
        "chunks",
        "failed",
        "finished",
        "known",
        "method",
        "number",
        "probe",
        "reason",
        "returned",
        "rows",
        "started",
        "thread",
        "worker",
    )

    def __init__(
        self, number: int, method: Method, chunks: list[Chunk], rows: int, worker: Hashable, now: float
    ) -> None:
        self.number = number
        self.method = method
        self.chunks = chunks
        self.rows = rows
        self.calls = 0
        self.reason = ""
        self.started = now
        self.finished = 0.0
        self.worker = worker
        self.probe: Probe | None = None
        self.abandoned = False
        self.ahead = False
        self.thread = 0
        self.known = True
        self.failed = False
        self.returned = False

    def note_wait(self) -> None:
        """Note that its calls found its worker busy, with what the state machine had not heard of."""
        if self.reason == RELEASED_IDLE:
            self.reason = RELEASED_FREED

    @property
    def abouts(self) -> list[CallAbout]:
        """What the callers say of their calls, as far as they do."""
        return [chunk.about for chunk in self.chunks if chunk.about is not None]

    def merge(self) -> tuple[tuple[Any, ...], Any]:
        """Return the arguments, positional and keyword, of the one call that stands for all."""
        first = self.chunks[0]
        layout = first.layout
        if layout is None:
            args, kwargs = first.payloads[0]
            return args, kwargs
        if len(self.chunks) == 1:
            return layout.merge(first.payloads)
        return layout.merge([payload for chunk in self.chunks for payload in chunk.payloads])

    def may_have_changed(self) -> bool:
        """Return whether its run, in this process, could have changed what its calls brought."""
        return any(
            chunk.layout is not None and chunk.layout.may_have_changed(chunk.payloads, chunk.key)
            for chunk in self.chunks
        )

    def split(self, result: Any) -> list[tuple[Chunk, Sequence[Any]]]:
        """Return, for each chunk, its calls' results.

        Raises:
            InseparableError: whose rows are whose cannot be told.
            BatchRowsError: the result has not one row for each that was given.
        """
        chunks = self.chunks
        first = chunks[0]
        layout = first.layout
        if layout is None:
            return [(first, [registry.settle(result)])]
        counts: list[int] = []
        for chunk in chunks:
            counts += [chunk.each] * len(chunk.waiters) if chunk.counts is None else chunk.counts
        by_order = type(result) is list and self._are_rows(result)
        payloads = first.payloads if len(chunks) == 1 else [payload for chunk in chunks for payload in chunk.payloads]
        parts = layout.split_result(result, counts, self.rows, payloads, by_order=by_order)
        if len(chunks) == 1:
            return [(first, parts)]
        answered: list[tuple[Chunk, Sequence[Any]]] = []
        start = 0
        for chunk in chunks:
            stop = start + len(chunk.waiters)
            answered.append((chunk, parts[start:stop]))
            start = stop
        return answered

    def _are_rows(self, result: list[Any]) -> bool:
        """Return whether a list's items are known to be rows, not outputs, and learn it from what can only be rows."""
        method = self.method
        if not method.lists_rows and len(result) == self.rows and not could_be_outputs(result):
            method.lists_rows = True
        return method.lists_rows


RELEASED_IDLE = "a worker was idle"
RELEASED_FULL = "it was full"
RELEASED_FREED = "a worker became free"
RELEASED_ALONE = "it can share a batch with no other call"
RELEASED_PROBE = "it runs again to find out which call made its batch fail"
RELEASED_REPEAT = "it runs again because the worker died"
RELEASED_APART = "it runs again, alone, because its rows could not be told from those of others"


class Search:
    """The search for the culprits of one failed batch.

    Attributes:
        error: what the batch failed with.
        budget: how many runs are left.
        open: probes that have not finished yet.
        exhausted: whether the budget did not suffice.
        certain: whether every call of the batch was still there when its part ran; only then is anything inferred.
    """

    __slots__ = ("budget", "certain", "error", "exhausted", "open")

    def __init__(self, error: BaseException, calls: int) -> None:
        self.error = error
        self.budget = 2 * (calls - 1).bit_length() + 2
        self.open = 0
        self.exhausted = False
        self.certain = True


class Probe:
    """A part of a failed batch that runs again.

    Attributes:
        calls: chunks of one call each; whole chunks if a batch is repeated because its worker died.
        sibling: the other half, if nothing is known of it until this one has run.
        search: what it belongs to; `None` for a batch that is repeated.
        reason: why it leaves.
    """

    __slots__ = ("calls", "reason", "search", "sibling")

    def __init__(self, calls: list[Chunk], sibling: list[Chunk], search: Search | None, reason: str = "") -> None:
        self.calls = calls
        self.sibling = sibling
        self.search = search
        self.reason = reason or (RELEASED_REPEAT if search is None else RELEASED_PROBE)

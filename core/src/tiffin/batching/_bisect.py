"""Finding out which calls made a batch fail, by running parts of it again.

A failed batch is cut in two. The first half runs; if it passes, the second half must hold the culprit and is cut
further without running first. Every run costs from a budget of 2·⌈log2 n⌉ + 2; when that is spent, calls about which
nothing is known get an error that says so. A part known to be bad waits behind the work that waits already; a part of
which nothing is known goes first. After two spent budgets in a row bisecting pauses: a model that fails for everybody
must not be run a dozen times for each batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tiffin.batching._chunks import Batch, Chunk, Probe, Search
from tiffin.exceptions import BatchRowsError, MethodTimeoutError, UndecidedError, WorkerDiedError

PAUSE = 5.0
"""Seconds for which bisecting pauses."""

SPENT_BEFORE_PAUSE = 2
"""Spent budgets in a row after which it does."""

NEVER_SEARCHED = (BatchRowsError, MemoryError, WorkerDiedError, MethodTimeoutError)
"""Errors of the whole batch, or of the machine: running it again would find no culprit, or do more harm."""


class Host(Protocol):
    """What bisecting needs of the state machine."""

    in_place: bool
    """Whether methods get the callers' own objects."""

    def enqueue_probe(self, probe: Probe, *, front: bool) -> None:
        """Queue a probe, by its calls' place in line or behind all that waits now."""

    def reject_each(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        """Answer the chunk's calls with these errors."""


class Bisection:
    """Every search of one runner."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._spent_in_a_row = 0
        self._paused_until = 0.0

    def why_not(self, batch: Batch, error: BaseException, now: float) -> str:
        """Return why no culprit is looked for in this batch of several calls; empty if one is."""
        if isinstance(error, NEVER_SEARCHED):
            return f"A {type(error).__name__} is about the whole batch"
        if not batch.method.idempotent:
            return f"{batch.method.name!r} is declared idempotent=False, so it is not run again to find out"
        if not self.may_run_again(batch):
            return "What its calls brought can be changed in place, and is not run again as the first run has left it"
        if now < self._paused_until:
            return "Too many calls failed lately to look for the ones to blame"
        return ""

    def may_run_again(self, batch: Batch) -> bool:
        """Return whether its calls may run once more, with the arguments that they brought."""
        return batch.method.idempotent and not (self._host.in_place and batch.may_have_changed())

    def begin(self, batch: Batch, error: BaseException) -> None:
        """Look for the culprits of a batch of several calls."""
        calls = [single for chunk in batch.chunks for single in chunk.singles()]
        search = Search(error, len(calls))
        self._cut(search, calls, front=True)

    def passed(self, probe: Probe, now: float) -> None:
        """Go on after a probe that did not fail."""
        search = probe.search
        if search is None:
            return
        if probe.sibling:
            if search.certain:
                self._known_bad(search, probe.sibling)
            else:
                self._run(search, probe.sibling, [], front=True)
        self._close(search, now)

    def failed(self, probe: Probe, error: BaseException, now: float) -> None:
        """Go on after a probe that failed."""
        search = probe.search
        if search is None:
            return
        if isinstance(error, NEVER_SEARCHED):
            reject(self._host, probe.calls, error, f"A {type(error).__name__} is about the whole batch")
        elif len(probe.calls) == 1:
            self._host.reject_each(probe.calls[0], [error])
        else:
            self._known_bad(search, probe.calls)
        if probe.sibling:
            self._run(search, probe.sibling, [], front=True)
        self._close(search, now)

    def vanished(self, probe: Probe, now: float) -> None:
        """Go on after a probe of which no call is left: nothing is certain any more."""
        if probe.search is not None:
            self.passed(probe, now)

    def _known_bad(self, search: Search, calls: list[Chunk]) -> None:
        if len(calls) > 1:
            self._cut(search, calls, front=False)
        elif search.budget or not search.certain:
            # Inferred to be bad. Alone it fails with its own words, or does not: calls can be bad in company only.
            self._run(search, calls, [], front=False)
        else:
            self._host.reject_each(calls[0], [search.error])

    def _cut(self, search: Search, calls: list[Chunk], *, front: bool) -> None:
        half = len(calls) // 2
        self._run(search, calls[:half], calls[half:], front=front)

    def _run(self, search: Search, calls: list[Chunk], sibling: list[Chunk], *, front: bool) -> None:
        if search.budget <= 0:
            search.exhausted = True
            reject(self._host, calls + sibling, search.error, "The runs allowed for finding the culprit are spent")
            return
        search.budget -= 1
        search.open += 1
        self._host.enqueue_probe(Probe(calls, sibling, search), front=front)

    def _close(self, search: Search, now: float) -> None:
        search.open -= 1
        if search.open == 0:
            self._spent_in_a_row = self._spent_in_a_row + 1 if search.exhausted else 0
            if self._spent_in_a_row >= SPENT_BEFORE_PAUSE:
                self._spent_in_a_row = 0
                self._paused_until = now + PAUSE


def reject(host: Host, chunks: Sequence[Chunk], error: BaseException, why: str) -> None:
    """Answer all calls of these chunks with an error of their batch.

    Each caller gets an error object of its own: they are raised in different threads and tasks, and a shared one would
    collect all their tracebacks.
    """
    alone = len(chunks) == 1 and len(chunks[0].waiters) == 1
    for chunk in chunks:
        errors: list[BaseException] = []
        own: BaseException
        for _ in chunk.waiters:
            if alone and isinstance(error, NEVER_SEARCHED):
                own = error
            elif isinstance(error, (BatchRowsError, WorkerDiedError, MethodTimeoutError)):
                own = type(error)(error.what, why=error.why, fix=error.fix)
                own.__dict__.update(error.__dict__)
                own.__cause__ = error
            else:
                own = UndecidedError(
                    f"A batch of {chunk.method.name!r} failed with {type(error).__name__}: {error}",
                    why=f"{why}; whether this call is to blame is not known",
                    fix="Try again; look at the cause first",
                    method=chunk.method.name,
                )
                own.__cause__ = error
                chunk.method.counters.undecided += 1
            errors.append(own)
        host.reject_each(chunk, errors)

"""One bad item fails alone: how few runs that takes, and when it is not tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pytest

from tiffin.batching import Batch, BatchAxes, Chunk, Core, Method, prepare
from tiffin.exceptions import BatchRowsError, MethodTimeoutError, UndecidedError, WorkerDiedError


class Call:
    def __init__(self, number: int) -> None:
        self.number = number
        self.answer: Any = None
        self.gone = False

    def done(self) -> bool:
        return self.gone or self.answer is not None


class Bench:
    """Runs one batch of calls, each of one row, and whatever follows from it."""

    def __init__(self, **options: Any) -> None:
        self.method = Method("predict", max_batch_size=1000, **options)
        self.core = Core("simulated", [self.method])
        self.core.add_worker("worker")
        self.now = 0.0
        self.runs: list[list[int]] = []

    def submit(self, count: int) -> list[Call]:
        calls = [Call(number) for number in range(count)]
        rows = [numpy.array([call.number]) for call in calls]
        key, each, _, layout = prepare("predict", BatchAxes(0, 0), None, (rows[0],), {})
        self.core.submit(Chunk(self.method, key, layout, list(rows), list(calls), each, None, self), self.now)
        return calls

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        for chunk, results in answered:
            for call, result in zip(chunk.waiters, results, strict=True):
                assert call.answer is None
                call.answer = result

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        for call, error in zip(chunk.waiters, errors, strict=True):
            assert call.answer is None
            call.answer = error

    def work(self, guilty: set[int], error: Any = None) -> None:
        """Run until nothing waits; a run with one of the guilty in it fails."""
        for batch in self.core.dispatch(self.now):
            while batch is not None:
                (x,), _ = batch.merge()
                self.runs.append(list(x))
                self.now += 0.01
                if guilty.intersection(x):
                    self.core.fail(
                        batch, error or ValueError(f"bad: {sorted(guilty.intersection(map(int, x)))}"), self.now
                    )
                else:
                    answered = batch.split(x * 2)
                    self.core.finish(batch, self.now)
                    self.deliver(answered, batch)
                for chunk, errors in self.core.collect():
                    self.reject(chunk, errors)
                batch = self.core.take("worker", self.now)  # type: ignore[assignment]


@pytest.mark.parametrize("guilty", range(0, 100, 7))
def test_one_guilty_of_a_hundred_takes_few_runs_and_fails_alone(guilty: int) -> None:
    """At most 16 more runs; the guilty gets the error of its run alone, all others their results."""
    bench = Bench()
    calls = bench.submit(100)
    bench.work({guilty})
    assert len(bench.runs) - 1 <= 16
    for call in calls:
        if call.number == guilty:
            assert isinstance(call.answer, ValueError)
            assert str(call.answer) == f"bad: [{guilty}]"
        else:
            assert list(call.answer) == [2 * call.number]


def test_a_half_that_must_be_bad_is_not_run() -> None:
    """If the first half passes, the second is cut at once: no run has exactly its calls."""
    bench = Bench()
    bench.submit(64)
    bench.work({63})
    assert list(range(32)) in bench.runs
    assert list(range(32, 64)) not in bench.runs


@pytest.mark.parametrize("count", [2, 3, 4])
def test_small_batches_are_always_decided(count: int) -> None:
    """Even if every call is to blame, each gets its own error."""
    bench = Bench()
    calls = bench.submit(count)
    bench.work(set(range(count)))
    assert [str(call.answer) for call in calls] == [f"bad: [{number}]" for number in range(count)]


def test_a_spent_budget_is_said_and_names_the_cause() -> None:
    """With many to blame the runs end at the budget; what is undecided gets an error of its own, with the cause."""
    bench = Bench()
    calls = bench.submit(100)
    bench.work(set(range(0, 100, 3)))
    assert len(bench.runs) - 1 <= 16
    undecided = [call for call in calls if isinstance(call.answer, UndecidedError)]
    assert undecided
    assert bench.method.counters.undecided == len(undecided)
    assert len({id(call.answer) for call in undecided}) == len(undecided), "callers share an error object"
    assert isinstance(undecided[0].answer.__cause__, ValueError)
    assert "spent" in str(undecided[0].answer)
    for call in calls:
        if not isinstance(call.answer, Exception):
            assert list(call.answer) == [2 * call.number]
        elif isinstance(call.answer, ValueError):
            assert call.number % 3 == 0


def test_after_two_spent_budgets_bisecting_pauses_for_some_seconds() -> None:
    """A model that fails for everybody is not run a dozen times a batch; later it is tried again."""
    bench = Bench()
    for _ in range(2):
        bench.submit(100)
        bench.work(set(range(100)))
    before = len(bench.runs)
    calls = bench.submit(100)
    bench.work(set(range(100)))
    assert len(bench.runs) == before + 1
    assert all(isinstance(call.answer, UndecidedError) for call in calls)
    bench.now += 10
    calls = bench.submit(100)
    bench.work({5})
    assert sum(isinstance(call.answer, Exception) for call in calls) == 1


def test_known_bad_halves_wait_behind_waiting_work() -> None:
    """What is known to be bad does not hold up others: calls that came meanwhile run first."""
    bench = Bench()
    bench.submit(8)
    (batch,) = bench.core.dispatch(bench.now)
    later = bench.submit(1)
    bench.core.fail(batch, ValueError("bad"), bench.now)
    first = bench.core.take("worker", bench.now)
    assert first is not None
    assert first.calls == 4, "of the first half nothing is known, and it came first"
    bench.core.fail(first, ValueError("bad"), bench.now)
    second = bench.core.take("worker", bench.now)
    assert second is not None
    assert second.calls == 4, "nor of the second half"
    bench.core.finish(second, bench.now)
    third = bench.core.take("worker", bench.now)
    assert third is not None
    assert third.chunks[0].waiters == later


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("out of memory"),
        BatchRowsError("3 rows for 8", method="predict", expected=8, received=3),
        MethodTimeoutError("too long", method="predict", timeout=1.0),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_whole_batch_are_not_searched(error: Exception) -> None:
    """They say nothing of a single call; running again would do harm."""
    bench = Bench()
    calls = bench.submit(8)
    bench.work(set(range(8)), error)
    assert len(bench.runs) == 1
    expected = UndecidedError if isinstance(error, MemoryError) else type(error)
    assert all(type(call.answer) is expected for call in calls)
    assert all(call.answer.__cause__ is error for call in calls)


def test_a_method_that_is_not_idempotent_is_never_run_again() -> None:
    """Neither to search nor after a worker has died."""
    bench = Bench(idempotent=False)
    calls = bench.submit(8)
    bench.work({1})
    assert len(bench.runs) == 1
    assert all(isinstance(call.answer, UndecidedError) for call in calls)
    assert "idempotent=False" in str(calls[0].answer)
    calls = bench.submit(8)
    bench.work({1}, WorkerDiedError("died", worker="w", exit_code=-9))
    assert len(bench.runs) == 2
    assert all(isinstance(call.answer, WorkerDiedError) for call in calls)


def test_a_batch_whose_worker_died_is_repeated_once() -> None:
    """The second time its calls fail; a batch that kills its workers must not go on for ever."""
    bench = Bench()
    calls = bench.submit(8)
    bench.work({1}, WorkerDiedError("died", worker="w", exit_code=-9))
    assert bench.runs == [list(range(8))] * 2
    assert all(isinstance(call.answer, WorkerDiedError) for call in calls)
    assert all(call.answer.exit_code == -9 for call in calls)
    assert len({id(call.answer) for call in calls}) == 8


def test_nothing_is_inferred_of_a_half_when_callers_have_left() -> None:
    """If the guilty one has gone, the rest must not be blamed, even without budget left."""
    bench = Bench()
    calls = bench.submit(8)
    (batch,) = bench.core.dispatch(bench.now)
    bench.core.fail(batch, ValueError("bad"), bench.now)
    calls[0].gone = True
    following = bench.core.take("worker", bench.now)
    while following is not None:
        (x,), _ = following.merge()
        assert 0 not in x
        answered = following.split(x * 2)
        bench.core.finish(following, bench.now)
        bench.deliver(answered, following)
        following = bench.core.take("worker", bench.now)
    assert all(list(call.answer) == [2 * call.number] for call in calls[1:])


def test_nobody_is_blamed_by_inference_when_the_other_half_has_left() -> None:
    """With the budget spent, what remains is undecided, not guilty."""
    bench = Bench()
    calls = bench.submit(2)
    (batch,) = bench.core.dispatch(bench.now)
    bench.core.fail(batch, ValueError("bad"), bench.now)
    bench.core._line[0][2].search.budget = 0  # type: ignore[union-attr]
    calls[0].gone = True
    assert bench.core.take("worker", bench.now) is None
    for chunk, errors in bench.core.collect():
        bench.reject(chunk, errors)
    assert isinstance(calls[1].answer, UndecidedError)

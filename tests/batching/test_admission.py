"""A limit of latency, simulated: overload, wrong costs, impatient callers, dead callers."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any

import pytest

from tiffin.batching import Chunk, Core, Cost, Layout, Method
from tiffin.calls import CallAbout
from tiffin.exceptions import LatencyLimitError, QueueFullError

LIMIT = 0.1


def forest(rows: int) -> float:
    """Return the seconds that the forest of the benchmarks takes for a batch."""
    return 0.0085 + 0.00006 * rows


class Call:
    def __init__(self, arrived: float) -> None:
        self.arrived = arrived
        self.answered = 0.0
        self.refused = False
        self.gone = False

    def done(self) -> bool:
        return self.gone


class Simulation:
    """One worker, calls of one row, a clock that jumps from event to event."""

    def __init__(self, method: Method, cost: Callable[[int], float], **options: int) -> None:
        self.now = 0.0
        self.method = method
        self.cost = cost
        self.core = Core("simulated", [method], **options)
        self.core.add_worker("worker")
        self.layout = Layout("predict", (), (), {}, 0)
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = 0
        self.batches: list[int] = []
        self.calls: list[Call] = []
        self.on_refusal: Callable[[Call, float], None] = lambda call, retry_after: None

    def at(self, when: float, action: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (when, self.number, action))

    def call(self) -> None:
        call = Call(self.now)
        self.calls.append(call)
        if self.method.gate is not None:
            self.refuse(call, self.method.gate.retry_after)
            return
        self.core.submit(Chunk(self.method, "key", self.layout, [None], [call], 1, None, self), self.now)  # type: ignore[arg-type]
        self.settle()

    def settle(self) -> None:
        for batch in self.core.dispatch(self.now):
            self.begin(batch)
        for chunk, errors in self.core.collect():
            for call, error in zip(chunk.waiters, errors, strict=True):
                assert isinstance(error, (LatencyLimitError, QueueFullError))
                self.refuse(call, error.retry_after)

    def refuse(self, call: Call, retry_after: float) -> None:
        call.refused = True
        self.on_refusal(call, retry_after)

    def begin(self, batch: object) -> None:
        self.batches.append(batch.rows)  # type: ignore[attr-defined]

        def end() -> None:
            self.core.finish(batch, self.now)  # type: ignore[arg-type]
            for chunk in batch.chunks:  # type: ignore[attr-defined]
                for call in chunk.waiters:
                    call.answered = self.now
            following = self.core.take("worker", self.now)
            if following is not None:
                self.begin(following)
            self.settle()

        self.at(self.now + self.cost(batch.rows), end)  # type: ignore[attr-defined]

    def run(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            self.now, _, action = heapq.heappop(self.events)
            action()
        self.now = until

    def arrive(self, rate: float, until: float, seed: int = 0) -> None:
        """Let calls arrive at random, at this rate, whatever becomes of the earlier ones."""
        draws = random.Random(seed)
        when = 0.0
        while when < until:
            when += draws.expovariate(rate)
            self.at(when, self.call)

    def goodput(self, start: float, end: float) -> tuple[float, float]:
        """Return the calls answered in time, a second, and the 99th percentile of the answered ones' latency."""
        answered = sorted(c.answered - c.arrived for c in self.calls if start <= c.answered < end)
        in_time = sum(latency <= LIMIT for latency in answered)
        return in_time / (end - start), answered[int(len(answered) * 0.99)]


def make_method(**options: float) -> Method:
    return Method("predict", max_batch_size=100, max_latency=LIMIT, **options)  # type: ignore[arg-type]


CAPACITY = 100 / forest(100)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("load", [1.2, 2.0, 5.0])
def test_under_overload_most_of_the_capacity_is_answered_in_time(load: float, noise: float) -> None:
    """At 1.2 to 5 times capacity at least 85 % of it is answered within the limit, and p99 is within 1.5 times it."""
    draws = random.Random(7)
    simulation = Simulation(make_method(), lambda rows: forest(rows) * (1 + noise * draws.uniform(-1, 1)))
    simulation.arrive(load * CAPACITY, until=8.0)
    simulation.run(until=8.0)
    rate, p99 = simulation.goodput(2.0, 8.0)
    assert rate >= 0.85 * CAPACITY
    assert p99 <= 0.15


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_cost_learned_ten_times_wrong_recovers(factor: float) -> None:
    """A cost far too high must not lock itself in, nor one far too low: after two seconds goodput is back."""
    method = make_method()
    for _ in range(50):
        for rows in (1, 30, 100):
            method.cost.learn(rows, factor * forest(rows))
    assert method.cost.estimate(100) == pytest.approx(factor * forest(100), rel=0.05)
    simulation = Simulation(method, forest)
    simulation.arrive(2 * CAPACITY, until=6.0)
    simulation.run(until=6.0)
    rate, p99 = simulation.goodput(2.0, 6.0)
    assert rate >= 0.85 * CAPACITY
    assert p99 <= 0.15
    assert method.cost.estimate(100) == pytest.approx(forest(100), rel=0.2)


def test_impatient_callers_do_not_keep_batches_small() -> None:
    """300 callers that come back 5 ms after each refusal, and a cost learned ten times too high: batches grow full."""
    method = make_method()
    for _ in range(50):
        for rows in (1, 30, 100):
            method.cost.learn(rows, 10 * forest(rows))
    simulation = Simulation(method, forest)
    simulation.on_refusal = lambda call, retry_after: simulation.at(simulation.now + 0.005, simulation.call)

    def closed_loop(call_now: Callable[[], None]) -> None:
        call_now()

    for number in range(300):
        simulation.at(number * 1e-5, simulation.call)
    finish = simulation.core.finish

    def finish_and_call_again(batch: object, now: float) -> None:
        finish(batch, now)  # type: ignore[arg-type]
        for chunk in batch.chunks:  # type: ignore[attr-defined]
            for _ in chunk.waiters:
                simulation.at(now + 0.0005, simulation.call)

    simulation.core.finish = finish_and_call_again  # type: ignore[method-assign]
    simulation.run(until=4.0)
    last = simulation.batches[-50:]
    assert sum(last) / len(last) >= 90
    rate, _ = simulation.goodput(2.0, 4.0)
    assert rate >= 0.85 * CAPACITY


def test_nobody_is_refused_while_less_than_a_batch_waits() -> None:
    """Even if the estimate is above the limit: the batch is the way to learn better."""
    method = make_method()
    for _ in range(50):
        method.cost.learn(1, 3.0)
    simulation = Simulation(method, forest)
    for _ in range(101):
        simulation.call()
    assert not any(call.refused for call in simulation.calls)
    simulation.call()
    assert simulation.calls[-1].refused


def test_a_refusal_says_when_to_come_back() -> None:
    """retry_after: at that time, if nobody else came, a call is taken in again; right before, it is not."""
    method = make_method()
    for _ in range(50):
        for rows in (1, 30, 100):
            method.cost.learn(rows, forest(rows))
    simulation = Simulation(method, forest)
    waits: list[float] = []
    simulation.on_refusal = lambda call, retry_after: waits.append(retry_after)
    while not waits:
        simulation.call()
    assert 0 < waits[0] < 0.05
    simulation.run(until=simulation.now + waits[0] + forest(100))
    simulation.call()
    assert len(waits) == 1


def test_refused_callers_are_turned_away_without_asking_until_a_batch_leaves() -> None:
    """The gate: closed by a refusal, opened by the next batch."""
    method = make_method()
    for _ in range(50):
        for rows in (1, 100):
            method.cost.learn(rows, forest(rows))
    simulation = Simulation(method, forest)
    while method.gate is None:
        simulation.call()
    assert isinstance(method.gate, LatencyLimitError)
    simulation.run(until=forest(1) + 0.001)
    assert method.gate is None


def test_a_full_queue_refuses_with_another_error_and_counts_rows() -> None:
    """QueueFullError, at max_queue_rows rows, whatever the number of calls."""
    method = Method("predict", max_batch_size=10)
    simulation = Simulation(method, forest, max_queue_rows=25)
    for _ in range(26):
        simulation.call()
    assert not any(call.refused for call in simulation.calls)
    simulation.call()
    assert simulation.calls[-1].refused
    assert isinstance(method.gate, QueueFullError)
    assert method.counters.overflowed == 1


def test_callers_that_are_gone_make_room_before_anybody_is_refused() -> None:
    """A queue full of the dead is not full."""
    method = Method("predict", max_batch_size=10)
    simulation = Simulation(method, forest, max_queue_rows=25)
    for _ in range(26):
        simulation.call()
    for call in simulation.calls[5:15]:
        call.gone = True
    for _ in range(10):
        simulation.call()
    assert not any(call.refused for call in simulation.calls)
    assert simulation.core.waiting_rows == 25


def test_a_call_larger_than_the_queue_is_taken_in_when_nobody_waits() -> None:
    """Otherwise it could never run."""
    method = Method("predict", max_batch_size=1000)
    core = Core("simulated", [method], max_queue_rows=25)
    call = Call(0.0)
    core.submit(Chunk(method, "key", None, [None], [call], 100, None, None), 0.0)  # type: ignore[arg-type]
    assert core.collect() == []
    assert core.waiting_rows == 100


def test_a_chunk_of_many_calls_is_let_in_as_far_as_each_call_would_be() -> None:
    """A full batch of them, whatever the estimate; then as many as are answered in time."""
    for learned, expected in ((10 * forest(100), 100), (forest(100), 600)):
        method = make_method()
        for _ in range(50):
            method.cost.learn(100, learned)
        simulation = Simulation(method, forest)
        calls = [Call(0.0) for _ in range(2000)]
        chunk = Chunk(method, "key", simulation.layout, [None] * 2000, list(calls), 1, None, simulation)  # type: ignore[arg-type]
        simulation.core.submit(chunk, 0.0)
        simulation.settle()
        let_in = sum(not call.refused for call in calls)
        assert let_in == expected


def test_calls_that_would_be_late_are_dropped_in_favour_of_those_behind_them() -> None:
    """When their turn comes and more than a full batch waits: the oldest go, with an error that says so."""
    method = make_method()
    simulation = Simulation(method, forest)
    for _ in range(301):
        simulation.call()  # nothing is learned yet, so all are let in
    for _ in range(50):
        for rows in (1, 100):
            method.cost.learn(rows, forest(rows))
    waits: list[Call] = []
    simulation.on_refusal = lambda call, retry_after: waits.append(call)
    batch = next(iter(simulation.core.busy.values()))
    simulation.core.finish(batch, 0.095)
    following = simulation.core.take("worker", 0.095)
    for chunk, errors in simulation.core.collect():
        for call, error in zip(chunk.waiters, errors, strict=True):
            assert isinstance(error, LatencyLimitError)
            assert error.reason == "dropped"
            simulation.refuse(call, error.retry_after)
    assert waits == simulation.calls[1:201]
    assert following is not None
    assert following.rows == 100, "a full batch is left, late or not"
    assert method.counters.dropped == 200


class TestCost:
    """The learned cost of a batch."""

    def test_learns_a_line(self) -> None:
        """From a few batches of different sizes."""
        cost = Cost()
        for rows in (1, 5, 20, 50, 100, 70):
            cost.learn(rows, forest(rows))
        for rows in (1, 33, 100):
            assert cost.estimate(rows) == pytest.approx(forest(rows), rel=0.05)

    def test_nothing_costs_nothing(self) -> None:
        """No rows take no time, and neither does what has never been seen."""
        cost = Cost()
        assert cost.estimate(10) == 0
        cost.learn(10, 1.0)
        assert cost.estimate(0) == 0

    def test_never_extrapolates(self) -> None:
        """Beyond the sizes seen the nearest one counts."""
        cost = Cost()
        for rows in (10, 20):
            cost.learn(rows, rows / 1000)
        assert cost.estimate(1000) == pytest.approx(0.020)
        assert cost.estimate(1) == pytest.approx(0.010, rel=0.03)

    def test_one_hiccup_is_clipped(self) -> None:
        """A batch that took a hundred times as long moves the estimate by little, and is forgotten."""
        cost = Cost()
        for rows in (1, 10, 100) * 20:
            cost.learn(rows, forest(rows))
        cost.learn(100, 100 * forest(100))
        assert cost.estimate(100) < 1.6 * forest(100)
        for rows in (1, 10, 100) * 20:
            cost.learn(rows, forest(rows))
        assert cost.estimate(100) == pytest.approx(forest(100), rel=0.1)

    def test_follows_a_lasting_change(self) -> None:
        """A model that has become ten times slower is believed after some batches."""
        cost = Cost()
        for rows in (1, 10, 100) * 20:
            cost.learn(rows, forest(rows))
        for rows in (1, 10, 100) * 30:
            cost.learn(rows, 10 * forest(rows))
        assert cost.estimate(100) == pytest.approx(10 * forest(100), rel=0.15)

    def test_parts_are_never_negative(self) -> None:
        """Noise must not make a batch cheaper the larger it is, or free."""
        cost = Cost()
        draws = random.Random(1)
        for _ in range(500):
            rows = draws.randint(1, 100)
            cost.learn(rows, draws.uniform(0.001, 0.01))
            assert cost.intercept >= 0
            assert cost.slope >= 0
            assert cost.estimate(draws.randint(1, 200)) > 0
            assert 0.1 <= cost.margin <= 0.25


def test_a_deadline_that_cannot_be_kept_turns_its_call_away_at_once_and_no_other() -> None:
    """A caller's own deadline counts as max_latency_ms does, for this caller; those without one wait as before."""
    method = Method("predict", max_batch_size=10)
    for _ in range(20):
        method.cost.learn(10, 1.0)
    refused: dict[str, Any] = {}

    class Sink:
        def __init__(self, name: str) -> None:
            self.name = name

        def deliver(self, answered: Any, batch: Any) -> None: ...

        def reject(self, chunk: Any, errors: Any) -> None:
            refused[self.name] = errors[0]

    core = Core("simulated", [method])
    core.add_worker("worker")
    layout = Layout("predict", (), (), {}, 0)

    def submit(name: str, deadline: float | None) -> None:
        chunk = Chunk(method, "key", layout, [None], [Call(0.0)], 1, None, Sink(name))
        chunk.about = None if deadline is None else CallAbout(deadline)
        core.submit(chunk, 100.0)
        core.dispatch(100.0)
        for rejected, errors in core.collect():
            rejected.sink.reject(rejected, errors)

    for number in range(25):
        submit(f"without {number}", None)
    submit("too late", 101.0)
    submit("in time", 160.0)
    submit("without", None)
    assert list(refused) == ["too late"]
    error = refused["too late"]
    assert isinstance(error, LatencyLimitError)
    assert "by its deadline" in str(error)
    assert error.retry_after > 0
    assert method.gate is None

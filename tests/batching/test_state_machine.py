"""The batching service on a simulated clock: whatever happens around a caller, it gets what it would have got alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tiffin.batching import Batch, BatchAxes, Chunk, Core, Method, Station, prepare
from tiffin.exceptions import (
    LatencyLimitError,
    MethodTimeoutError,
    QueueFullError,
    UndecidedError,
    WorkerDiedError,
)

BAD = -1


def check(values: Any) -> None:
    flat = [int(value) for value in numpy.asarray(values).ravel()]
    if BAD in flat:
        raise ValueError(f"bad value after {flat[: flat.index(BAD)]}")


class Model:
    """Every method works row by row, and refuses a call that holds the bad value, naming what came before it."""

    def predict(self, x: Any, scale: float = 1.0) -> Any:
        check(x)
        return x * scale

    def across(self, x: Any) -> Any:
        check(x)
        return x.sum(axis=0) * 2

    def pair(self, x: Any, y: Any, how: str = "both") -> Any:
        check(x)
        return {"sum": x.sum(axis=1) + y, "rows": [how] * len(y)}

    def items(self, x: Any) -> Any:
        check(x)
        return [(item, str(item)) for item in x]

    def frame(self, x: Any) -> Any:
        check(x)
        return x.assign(total=x.sum(axis=1)), x.iloc[:, 0]

    def named(self, x: Any, weights: Any) -> Any:
        check(x)
        return x @ weights

    def once(self, x: Any) -> Any:
        check(x)
        return x + 1

    def plain(self, x: Any) -> Any:
        check(x)
        return numpy.asarray(x).sum()


AXES: dict[str, tuple[Any, list[str]]] = {
    "predict": (0, ["x"]),
    "across": ((1, 0), ["x"]),
    "pair": (0, ["x", "y"]),
    "items": (0, ["x"]),
    "frame": (0, ["x"]),
    "named": ({"x": 0, "weights": None}, ["x", "weights"]),
    "once": (0, ["x"]),
}

MODEL = Model()


def same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(same, left.values(), right.values()))
    if isinstance(left, (pandas.DataFrame, pandas.Series)):
        return left.equals(right) and left.index.equals(right.index)
    if isinstance(left, numpy.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and bool((left == right).all())
    return bool(left == right)


class Caller:
    """One call, as a waiter: what it asked, and what it was told."""

    def __init__(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.method, self.args, self.kwargs = method, args, kwargs
        self.gone = False
        self.answers: list[Any] = []
        self.alone = self.run_alone()

    def done(self) -> bool:
        return self.gone or bool(self.answers)

    def run_alone(self) -> Any:
        try:
            return getattr(MODEL, self.method)(*self.args, **self.kwargs)
        except ValueError as error:
            return error


class Port:
    """A sink that hands each caller its answer; a second answer to one caller shows in its list."""

    def deliver(self, answered: Sequence[tuple[Chunk, Sequence[Any]]], batch: Batch) -> None:
        for chunk, results in answered:
            for caller, result in zip(chunk.waiters, results, strict=True):
                if not caller.gone:
                    caller.answers.append(result)

    def reject(self, chunk: Chunk, errors: Sequence[BaseException]) -> None:
        for caller, error in zip(chunk.waiters, errors, strict=True):
            if not caller.gone:
                caller.answers.append(error)


values = st.integers(0, 5)
rows_of = st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=9)


@st.composite
def calls(draw: Any, bad: bool) -> Caller:
    """Any call of any method, with arguments of any container."""
    rows = draw(rows_of)
    if bad:
        rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, 2))] = BAD
    x = numpy.array(rows)
    method = draw(st.sampled_from([*AXES, "plain"]))
    if method == "predict":
        x = x.astype(draw(st.sampled_from(["int64", "float32"])))[:, : draw(st.sampled_from([3, 2]))]
        return Caller("predict", (x,), draw(st.sampled_from([{}, {"scale": 2.0}, {"scale": 2}])))
    if method == "across":
        return Caller("across", (x.T,), {})
    if method == "pair":
        kwargs = {"y": x[:, 0]} | draw(st.sampled_from([{}, {"how": "some"}]))
        return Caller("pair", (x,), kwargs)
    if method == "items":
        return Caller("items", (draw(st.sampled_from([rows, [row[0] for row in rows], [tuple(r) for r in rows]])),), {})
    if method == "frame":
        frame = pandas.DataFrame(rows, columns=draw(st.sampled_from([list("abc"), list("xyz")])))
        if draw(st.booleans()):
            frame.index = pandas.Index([f"row{number}" for number in range(len(rows))])
        return Caller("frame", (frame,), {})
    if method == "named":
        return Caller("named", (x, numpy.array([1, draw(values), 2])), {})
    return Caller(method, (x,), {})


class Simulation(RuleBasedStateMachine):
    """Callers come and go, workers run, fail, die and hang, in any order that hypothesis can think of."""

    @initialize(
        size=st.integers(1, 12),
        workers=st.integers(1, 3),
        queue=st.sampled_from([10_000, 30]),
        latency=st.sampled_from([None, None, 0.05]),
        ahead=st.booleans(),
    )
    def begin(self, size: int, workers: int, queue: int, latency: float | None, ahead: bool) -> None:
        self.now = 0.0
        self.latency = latency
        self.queue = queue
        self.methods = {
            name: Method(name, max_batch_size=size, max_latency=latency, idempotent=name != "once", timeout=10.0)
            for name in [*AXES, "plain"]
        }
        self.core = Core("simulated", self.methods.values(), max_queue_rows=queue)
        self.axes = {name: (BatchAxes.parse(axes), names) for name, (axes, names) in AXES.items()}
        self.port = Port()
        self.callers: list[Caller] = []
        self.running: list[Batch] = []
        self.hung: list[Batch] = []
        self.deaths = 0
        # Workers with a station of their own, in which a second one may take batches ahead.
        self.stations = {worker: Station(1) for worker in range(workers)} if ahead else {}
        for worker in range(workers):
            self.core.add_worker(worker, self.stations.get(worker))
        for worker, station in list(self.stations.items()):
            self.stations[worker + 10] = station
            self.core.add_worker(worker + 10, station)
        self.workers = workers

    def submit_all(self, callers: Sequence[Caller]) -> None:
        """Stage calls as a port does: consecutive ones of one kind in one chunk."""
        chunk = None
        for caller in callers:
            self.callers.append(caller)
            method = self.methods[caller.method]
            if caller.method == "plain":
                new = Chunk(method, None, None, [(caller.args, caller.kwargs)], [caller], 1, None, self.port)
            else:
                axes, names = self.axes[caller.method]
                key, rows, payload, layout = prepare(caller.method, axes, names, caller.args, caller.kwargs)
                if chunk is not None and key is not None and chunk.key == key:
                    chunk.payloads.append(payload)
                    chunk.waiters.append(caller)
                    chunk.counts.append(rows)
                    continue
                counts = None if key is None else [rows]
                new = Chunk(method, key, layout, [payload], [caller], rows, counts, self.port)
            if chunk is not None:
                self.core.submit(chunk, self.now)
            chunk = new
        if chunk is not None:
            self.core.submit(chunk, self.now)
        self.settle()

    def settle(self) -> None:
        self.running += self.core.dispatch(self.now)
        for chunk, errors in self.core.collect():
            chunk.sink.reject(chunk, errors)

    def free(self, batch: Batch) -> None:
        following = self.core.take(batch.worker, self.now)
        if following is not None:
            self.running.append(following)
        self.settle()

    @rule(callers=st.lists(calls(bad=False), min_size=1, max_size=8))
    def good_calls(self, callers: list[Caller]) -> None:
        self.submit_all(callers)

    @rule(caller=calls(bad=True), others=st.lists(calls(bad=False), max_size=5))
    def a_bad_call(self, caller: Caller, others: list[Caller]) -> None:
        self.submit_all([*others[:2], caller, *others[2:]])

    @rule(caller=calls(bad=False), number=st.integers(2, 40))
    def the_same_call_many_times(self, caller: Caller, number: int) -> None:
        self.submit_all([Caller(caller.method, caller.args, caller.kwargs) for _ in range(number)])

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.02, 0.2]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.callers)
    @rule(data=st.data())
    def a_caller_leaves(self, data: Any) -> None:
        data.draw(st.sampled_from(self.callers)).gone = True

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_batch_ends(self, data: Any) -> None:
        self.end(data.draw(st.sampled_from([batch for batch in self.running if not batch.ahead])))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_worker_dies(self, data: Any) -> None:
        first = data.draw(st.sampled_from(self.running))
        station = self.stations.get(first.worker)
        dying = [
            batch for batch in self.running if batch is first or (station and self.stations[batch.worker] is station)
        ]
        self.deaths += 1
        for batch in data.draw(st.permutations(dying)):
            self.running.remove(batch)
            self.core.fail(batch, WorkerDiedError("It died", worker="0", exit_code=-9), self.now)
        for batch in dying:
            self.free(batch)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def a_batch_hangs(self, data: Any) -> None:
        batch = data.draw(st.sampled_from(self.running))
        if self.stations:
            return  # their back ends see to it themselves
        self.now = max(self.now, batch.started + 10.0)
        assert self.core.next_timer() is not None
        for expired in self.core.expire(self.now):
            self.running.remove(expired)
            self.hung.append(expired)
        self.deaths += 1
        self.settle()

    @precondition(lambda self: self.hung)
    @rule()
    def a_hung_worker_returns(self) -> None:
        batch = self.hung.pop()
        self.core.finish(batch, self.now)
        self.core.add_worker(batch.worker)
        self.settle()

    def end(self, batch: Batch) -> None:
        self.running.remove(batch)
        args, kwargs = batch.merge()
        self.now += 0.001 + 0.0001 * batch.rows
        try:
            answered = batch.split(getattr(MODEL, batch.method.name)(*args, **kwargs))
        except ValueError as error:
            self.core.fail(batch, error, self.now)
        else:
            self.core.finish(batch, self.now)
            for chunk, results in answered:
                chunk.sink.deliver([(chunk, results)], batch)
        self.free(batch)

    @invariant()
    def no_worker_idles_while_calls_wait(self) -> None:
        if hasattr(self, "core"):
            assert not (self.core.idle and self.core.has_work)

    @invariant()
    def no_batch_is_larger_than_it_may_be(self) -> None:
        for batch in getattr(self, "running", []):
            assert batch.rows <= batch.method.max_batch_size
            assert batch.rows == sum(chunk.rows for chunk in batch.chunks)

    @invariant()
    def no_station_computes_more_than_it_can_or_waits_with_nothing(self) -> None:
        for station in set(getattr(self, "stations", {}).values()):
            batches = [batch for batch in self.running if self.stations[batch.worker] is station]
            computing = [batch for batch in batches if not batch.ahead]
            assert len(computing) == min(1, len(batches))

    def teardown(self) -> None:
        if not hasattr(self, "core"):
            return
        while self.running or self.hung:
            while self.running:
                self.end(next(batch for batch in self.running if not batch.ahead))
            while self.hung:
                self.a_hung_worker_returns()
        assert not self.core.has_work
        assert self.core.waiting_rows == 0
        assert all(method.waiting == 0 and method.groups == 0 for method in self.methods.values())
        assert len(self.core.idle) == self.workers
        assert len(self.core.workforce.ahead) == len(self.stations) // 2
        guilty = sum(isinstance(other.alone, ValueError) for other in self.callers)
        for caller in self.callers:
            self.judge(caller, guilty)

    def judge(self, caller: Caller, guilty: int) -> None:
        if caller.gone:
            return
        assert len(caller.answers) == 1, f"{caller.method}: {len(caller.answers)} answers"
        answer = caller.answers[0]
        alone = caller.alone
        if isinstance(answer, QueueFullError):
            assert self.queue == 30
        elif isinstance(answer, LatencyLimitError):
            assert self.latency is not None
            assert answer.retry_after > 0
        elif isinstance(answer, (WorkerDiedError, MethodTimeoutError)):
            assert self.deaths
        elif isinstance(answer, UndecidedError):
            # Several calls to blame can spend the budget; one alone never does, unless running again is forbidden.
            assert caller.method == "once" and guilty if guilty < 2 else True
        elif isinstance(answer, Exception):
            assert isinstance(alone, ValueError), f"{caller.method} failed for another's fault: {answer}"
            # A call that was split fails with the words of the part that fails.
            if guilty == 1 and numpy.shape(caller.args[0])[0] <= self.methods[caller.method].max_batch_size:
                whole = caller.method != "across"
                assert not whole or str(answer) == str(alone)
        else:
            assert same(answer, alone), f"{caller.method}: {answer!r} instead of {alone!r}"


TestSimulation = Simulation.TestCase
TestSimulation.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # two thousand schedules, beside whatever else the machine does
class TestLongSimulation(Simulation.TestCase):
    """The same, for thousands of schedules."""

    settings = settings(
        max_examples=2000,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

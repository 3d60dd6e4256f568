"""How many workers there are: the rule on a simulated clock, and a runner that follows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest

from inside.runners import Scaling
from tiffin.exceptions import RunnerOptionError
from tiffin.runners import Runnable, Runner, ScalingRule, Worker, WorkerSpec

RULE = ScalingRule(wait=0.5, after=2.0, calm=60.0, busy=0.7, interval=1.0)


class Shop:
    """A queue in front of workers that each answer so many calls a second; a new worker takes some seconds to start."""

    def __init__(self, least: int, most: int, *, rate: float = 100.0, start: float = 5.0) -> None:
        self.scaling = Scaling(RULE, least, most)
        self.rate, self.start = rate, start
        self.now, self.queue = 0.0, 0.0
        self.wanted = least
        self.ready = [float("-inf")] * least
        self.waits: list[float] = []

    def second(self, calls: float) -> None:
        """Let a second pass, in which so many calls come."""
        workers = sum(at <= self.now for at in self.ready)
        answered = min(self.queue + calls, workers * self.rate)
        self.queue += calls - answered
        waited = self.queue / (workers * self.rate)
        self.waits.append(waited)
        self.now += 1.0
        self.wanted = self.scaling.look(self.now, waited, answered / self.rate, len(self.ready))
        self.ready = self.ready[: self.wanted]
        self.ready += [self.now + self.start] * (self.wanted - len(self.ready))

    def seconds(self, number: int, calls: float) -> list[int]:
        """Let so many seconds pass, and return how many workers were wanted after each."""
        found = []
        for _ in range(number):
            self.second(calls)
            found.append(self.wanted)
        return found


def test_a_load_that_fits_changes_nothing() -> None:
    """Also where the workers are nearly always busy, as long as nobody waits for long."""
    assert set(Shop(2, 8).seconds(600, 190)) == {2}


def test_a_load_that_is_too_high_brings_workers_until_nobody_waits() -> None:
    """Not at the first look, and no more than there may be; then the queue is worked off."""
    shop = Shop(1, 8)
    found = shop.seconds(120, 450)
    assert found[0] == 1
    assert max(found) <= 8
    assert found[-1] == 7  # 4.5 workers' load, at 70 %
    assert shop.queue == 0
    assert Shop(1, 3).seconds(120, 450)[-1] == 3


def test_one_moment_of_waiting_brings_no_worker() -> None:
    """A single long batch is no reason."""
    shop = Shop(1, 8)
    shop.seconds(10, 50)
    shop.queue = 100.0
    assert set(shop.seconds(60, 50)) == {1}


def test_workers_that_are_not_needed_go_only_after_a_calm_time() -> None:
    """Down to what the highest load of that time needs, and never below the least."""
    shop = Shop(1, 8)
    shop.seconds(120, 450)
    before = shop.wanted
    found = shop.seconds(300, 150)
    assert set(found[:55]) == {before}
    assert found[-1] == 3  # 1.5 workers' load, at 70 %
    assert shop.seconds(300, 0)[-1] == 1


def test_a_load_that_swings_does_not_have_workers_come_and_go() -> None:
    """Each of them loads a model: within the calm time the highest load counts."""
    shop = Shop(1, 8)
    shop.seconds(200, 450)
    found = [wanted for _ in range(20) for wanted in (*shop.seconds(20, 20), *shop.seconds(20, 450))]
    changes = sum(one != other for one, other in pairwise(found))
    assert changes <= 1
    assert max(shop.waits[300:]) < 1


def test_workers_are_added_in_proportion_and_no_more_than_double() -> None:
    """However long the queue is: the next look after some time sees what they bring."""
    scaling = Scaling(RULE, 1, 100)
    assert [scaling.look(now, 50.0, 4.0, 4) for now in (0.0, 1.0, 2.0)] == [4, 4, 8]
    assert [scaling.look(now, 0.6, 8.0, 8) for now in (3.0, 4.0)] == [8, 10]


@pytest.mark.parametrize("given", [{"wait": 0}, {"busy": 1.5}, {"calm": float("nan")}, {"interval": "1"}])
def test_a_rule_that_is_none_is_refused(given: dict[str, Any]) -> None:
    """When it is made."""
    with pytest.raises(RunnerOptionError, match="in a ScalingRule"):
        ScalingRule(**given)


class Counting(Runnable):
    """Doubles."""

    @Runnable.method(batchable=True)
    def double(self, numbers: list[int]) -> list[int]:
        return [2 * number for number in numbers]


class Gate:
    """A back end whose workers answer when they may."""

    inline = False
    takes_ahead = False

    def __init__(self) -> None:
        self.open = threading.Event()
        self.changed = threading.Condition()
        self.entered = 0
        self.started: list[str] = []
        self.closed: list[str] = []

    def create_worker(self, spec: WorkerSpec) -> Worker:
        """Return a worker."""
        return GatedWorker(spec, self)

    def note(self, notes: list[str], name: str) -> None:
        """Note what a worker did."""
        with self.changed:
            notes.append(name)
            self.changed.notify_all()

    def wait_for(self, notes: list[str], name: str) -> None:
        """Wait until a worker has done something."""
        with self.changed:
            assert self.changed.wait_for(lambda: name in notes, timeout=60)


class GatedWorker:
    """A worker of a gate."""

    def __init__(self, spec: WorkerSpec, gate: Gate) -> None:
        self.name, self._gate, self._there = spec.name, gate, False

    def start(self, timeout: float | None = None) -> None:
        self._there = True
        self._gate.note(self._gate.started, self.name)

    def run(self, method: str, args: Any, kwargs: Mapping[str, Any], *, timeout: Any = None, slot: int = 0) -> Any:
        self._gate.note(self._gate.started, f"{self.name} runs")
        assert self._gate.open.wait(60)
        return [2 * number for number in args[0]]

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        raise AssertionError

    @property
    def healthy(self) -> bool:
        return self._there

    def close(self, timeout: float | None = None) -> None:
        if self._there:
            self._there = False
            self._gate.note(self._gate.closed, self.name)

    def kill(self) -> None:
        self._there = False


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that is open in the end."""
    made = Gate()
    yield made
    made.open.set()


def test_a_runner_begins_with_the_least_and_grows_when_calls_wait(gate: Gate) -> None:
    """Its metrics say how many there are."""
    quick = ScalingRule(wait=0.005, after=0.01, calm=3600, interval=0.005)
    runner = Runner(Counting, name="c", backend=gate, workers=3, min_workers=1, max_batch_size=1, scaling=quick).start()
    assert gate.started == ["c-0"]
    callers = [threading.Thread(target=runner.double.run, args=([number],)) for number in range(8)]
    for caller in callers:
        caller.start()
    for name in ("c-1", "c-2"):
        gate.wait_for(gate.started, name)
    gate.open.set()
    for caller in callers:
        caller.join()
    assert runner.metrics()["workers"] == 3
    runner.stop()
    assert sorted(gate.closed) == ["c-0", "c-1", "c-2"]


def test_a_worker_that_is_not_wanted_answers_what_it_runs_and_ends(gate: Gate) -> None:
    """Nothing is given to it any more; if it is wanted again before that, it stays."""
    with Runner(Counting, name="c", backend=gate, workers=2, max_batch_size=1) as runner:
        crew = runner.engine.crew
        answers: list[Any] = []
        callers = [threading.Thread(target=lambda: answers.append(runner.double.run([1]))) for _ in range(2)]
        for caller in callers:
            caller.start()
        for name in ("c-0 runs", "c-1 runs"):
            gate.wait_for(gate.started, name)
        crew.want(1)
        crew.want(2)
        assert runner.metrics()["workers"] == 2
        crew.want(1)
        assert runner.metrics()["workers"] == 1
        assert gate.closed == []
        gate.open.set()
        for caller in callers:
            caller.join()
        gate.wait_for(gate.closed, "c-1")
        assert answers == [[2], [2]]
        assert [runner.double.run([number]) for number in range(5)] == [[0], [2], [4], [6], [8]]
        crew.want(2)
        with gate.changed:
            assert gate.changed.wait_for(lambda: gate.started.count("c-1") == 2, timeout=60)


def test_a_runner_of_this_process_cannot_grow() -> None:
    """Its one copy is called by whoever calls."""
    with pytest.raises(RunnerOptionError, match="min_workers=1 for workers in this process"):
        Runner(Counting, workers=2, min_workers=1)
    with pytest.raises(RunnerOptionError, match="from 1 to the number of workers"):
        Runner(Counting, backend="process", workers=2, min_workers=3)

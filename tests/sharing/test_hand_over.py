"""A runner behind an address may be another one at any time: handed over, ended, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest

from process_support import start_python
from tiffin.exceptions import QueueFullError, RunnerClosedError, RunnerError, RunnerOptionError
from tiffin.runners import Runnable, Runner

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")

X = numpy.ones((1, 2))


class Version(Runnable):
    def __init__(self, number: int = 0) -> None:
        self.number = number

    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        return x * 0 + self.number

    @Runnable.method
    def count(self, limit: int) -> Iterator[Any]:
        for item in range(limit):
            yield self.number, item

    @Runnable.method
    async def later(self) -> int:
        await asyncio.sleep(0)
        return self.number


def version(number: int, **options: Any) -> Runner:
    return Runner(Version, runnable_init_params={"number": number}, name=f"v{number}", **options)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "own" / "socket")


@pytest.mark.parametrize("backend", ["local", "process"])
def test_callers_notice_nothing_when_another_runner_takes_over(address: str, backend: str) -> None:
    """Under load, several times: every call is answered, by the old or the new one, and later ones never by an older one."""
    runner = version(0, backend=backend).start()
    end = threading.Event()
    answered: list[list[int]] = []

    def call() -> int:
        seen = [0]
        with Runner.attach(f"unix:{address}") as attached:
            while not end.is_set():
                seen.append(int(attached.predict.run(X)[0, 0]))
        answered.append(seen)
        return len(seen)

    runner.listen(address)
    with ThreadPoolExecutor(3) as executor:
        jobs = [executor.submit(call) for _ in range(3)]
        try:
            with Runner.attach(f"unix:{address}") as watching:
                for number in range(1, 4):
                    new = runner.hand_over(version(number, backend=backend))
                    assert not runner.ready()
                    assert watching.ready()
                    assert watching.describe()["name"] == f"v{number}"
                    assert watching.later.run() == number
                    runner = new
        finally:
            end.set()
        for job in jobs:
            assert job.result(60) > 1
    for seen in answered:
        assert seen == sorted(seen)
    runner.stop()
    assert not list(Path(address).parent.iterdir())


@pytest.mark.parametrize("backend", ["local", "process"])
def test_callers_of_this_process_go_on_with_the_methods_that_they_hold(backend: str) -> None:
    """From threads and an event loop, with and without options, under load: each is answered, and none ever goes back."""
    first = runner = version(0, backend=backend).start()
    predict, quick = first.predict, first.predict.options(timeout=60, explain=True)
    later, count = first.later, first.count.options(timeout=60)
    end = threading.Event()

    def call() -> list[int]:
        seen = []
        while not end.is_set():
            seen += [int(predict.run(X)[0, 0]), int(quick.run(X).result[0, 0]), later.run(), next(count.run(1))[0]]
        return seen

    async def calls() -> list[int]:
        seen = []
        while not end.is_set():
            seen += [int((await quick.async_run(X)).result[0, 0]), await later.async_run()]
            answers = await asyncio.gather(*(predict.async_run(X) for _ in range(8)))
            seen.append(max(int(answer[0, 0]) for answer in answers))
        return seen

    with ThreadPoolExecutor(3) as executor:
        jobs = [executor.submit(call), executor.submit(call), executor.submit(asyncio.run, calls())]
        try:
            for number in range(1, 4):
                runner = runner.hand_over(version(number, backend=backend))
                assert predict.run(X)[0, 0] == later.run() == number
        finally:
            end.set()
        for job in jobs:
            seen = job.result(60)
            assert seen == sorted(seen)
    assert list(count.run(2)) == [(3, 0), (3, 1)]
    with pytest.raises(RunnerOptionError, match="has been handed over already"):
        first.hand_over(version(4))
    runner.stop()
    with pytest.raises(RunnerClosedError, match="'v3' is stopped"):
        predict.run(X)


def test_a_method_that_merges_otherwise_is_not_called_by_those_who_hold_the_old_one() -> None:
    """Their arguments were taken apart by the old one's axes, so they are refused; other methods lead to the new one."""

    class Other(Version):
        @Runnable.method(batchable=True, batch_dim=1)
        def predict(self, x: Any) -> Any:
            return x

    old = version(1).start()
    new = old.hand_over(Runner(Other, runnable_init_params={"number": 2}))
    for call in (old.predict.run, lambda x: asyncio.run(old.predict.async_run(x))):
        with pytest.raises(RunnerClosedError, match="'v1' is stopped"):
            call(X)
    assert old.later.run() == 2
    new.stop()


def test_what_the_old_runner_has_taken_it_answers(address: str) -> None:
    """A call that waits in it, and a stream that is half read: both come to their end, while new calls go to the new one."""
    entered, leave = threading.Event(), threading.Event()

    class Held(Version):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            entered.set()
            assert leave.wait(60)
            return x * 0 + self.number

    old = Runner(Held, runnable_init_params={"number": 1}, max_batch_size=1).start()
    with Runner.attach(old.listen(address)) as attached, ThreadPoolExecutor(3) as executor:
        items = attached.count.run(3)
        assert next(items) == (1, 0)
        calls = [executor.submit(attached.predict.run, X) for _ in range(2)]
        assert entered.wait(60)
        new = version(2).start()
        handing = executor.submit(old.hand_over, new)
        while attached.describe()["name"] != "v2":
            os.sched_yield()
        assert attached.predict.run(X)[0, 0] == 2
        assert list(items) == [(1, 1), (1, 2)]
        assert not handing.done()
        leave.set()
        assert [call.result(60)[0, 0] for call in calls] == [1, 1]
        assert handing.result(60) is new
        assert list(attached.count.run(1)) == [(2, 0)]
    new.stop()


def test_a_runner_that_will_not_do_leaves_the_old_one_answering(address: str) -> None:
    """A check that fails, a class that cannot be made, a method that is missing: nothing has changed for anybody."""

    class Broken(Version):
        def __init__(self, number: int) -> None:
            raise OSError("the model's file is gone")

    class Other(Runnable):
        @Runnable.method
        async def predict(self, x: Any) -> Any:
            return x

    def complain(runner: Runner) -> None:
        assert runner.predict.run(X)[0, 0] == 2
        raise ValueError("its answers differ")

    with version(1) as old, Runner.attach(old.listen(address)) as attached:
        refused = version(2)
        with pytest.raises(ValueError, match="its answers differ"):
            old.hand_over(refused, check=complain)
        with pytest.raises(RunnerError, match="its check returned False"):
            old.hand_over(version(2), check=lambda runner: False)
        with pytest.raises(OSError, match="file is gone"):
            old.hand_over(Runner(Broken, runnable_init_params={"number": 2}))
        with pytest.raises(RunnerOptionError, match="has not its 'predict', 'count', 'later'"):
            old.hand_over(Runner(Other))
        assert not refused.ready()
        assert attached.predict.run(X)[0, 0] == 1
        assert attached.describe()["name"] == "v1"
        assert old.ready()


def test_clients_know_the_gate_and_turn_calls_away_themselves(address: str) -> None:
    """While the queue is full no call travels in vain; when it opens the client knows."""
    entered, leave = threading.Event(), threading.Event()

    class Held(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            entered.set()
            assert leave.wait(60)
            return x

    runner = Runner(Held, max_queue_rows=2, max_batch_size=2).start()
    with Runner.attach(runner.listen(address)) as attached, ThreadPoolExecutor(3) as executor:
        calls = [executor.submit(runner.predict.run, X)]
        assert entered.wait(60)
        calls += [executor.submit(runner.predict.run, X) for _ in range(2)]
        while runner.metrics()["waiting_rows"] < 2:
            os.sched_yield()
        with pytest.raises(QueueFullError):
            attached.predict.run(X)
        service = attached._service
        while not service.gates:
            os.sched_yield()
        before = runner.metrics()["methods"]["predict"]["overflowed"]
        with pytest.raises(QueueFullError) as caught:
            attached.predict.run(X)
        assert caught.value.retry_after > 0
        with pytest.raises(QueueFullError):
            asyncio.run(attached.predict.async_run(X))
        assert runner.metrics()["methods"]["predict"]["overflowed"] == before == 1
        leave.set()
        for call in calls:
            assert (call.result(60) == X).all()
        while service.gates:
            os.sched_yield()
        assert (attached.predict.run(X) == X).all()
    runner.stop()


HOST = """
import os, sys, threading
from tiffin.runners import Runnable, Runner

class Model(Runnable):
    def __init__(self):
        self.held = threading.Event()

    @Runnable.method
    def hold(self):
        os.write(1, b"held\\n")
        if sys.argv[2] == "answer":
            return os.getpid()
        self.held.wait()

    @Runnable.method(idempotent=False)
    def once(self):
        return self.hold()

    @Runnable.method
    def items(self):
        yield 1
        self.held.wait()

    @Runnable.method
    def pid(self):
        return os.getpid()

with Runner(Model, workers=2) as runner:
    runner.listen(sys.argv[1])
    print("listens", flush=True)
    sys.stdin.read()
"""


def test_a_killed_runners_calls_are_sent_again_to_the_next_if_they_may_be(address: str) -> None:
    """Idempotent ones are answered by the one that comes, others and streams end with an error; later calls just work."""
    first = start_python(HOST, address, "hold")
    assert first.stdout is not None
    assert first.stdout.readline() == "listens\n"
    with Runner.attach(f"unix:{address}", reattach=60) as attached, ThreadPoolExecutor(4) as executor:
        assert attached.pid.run() == first.pid
        items = attached.items.run()
        assert next(items) == 1
        again, once = executor.submit(attached.hold.run), executor.submit(attached.once.run)
        assert [first.stdout.readline() for _ in range(2)] == ["held\n"] * 2
        first.send_signal(signal.SIGKILL)
        first.communicate()
        with pytest.raises(RunnerClosedError):
            once.result(60)
        with pytest.raises(RunnerClosedError):
            next(items)
        waiting = executor.submit(attached.pid.run)
        assert not attached.ready()
        second = start_python(HOST, address, "answer")
        try:
            assert again.result(60) == second.pid
            assert waiting.result(60) == second.pid
            assert asyncio.run(attached.pid.async_run()) == second.pid
            assert next(attached.items.run()) == 1
            assert attached.ready()
        finally:
            second.kill()
            second.communicate()


def test_a_call_that_kills_its_runner_twice_is_not_sent_a_third_time(address: str) -> None:
    """As with workers: what was repeated once and not answered ends with an error."""
    hosts = [start_python(HOST, address, "hold")]
    assert hosts[0].stdout is not None
    assert hosts[0].stdout.readline() == "listens\n"
    with Runner.attach(f"unix:{address}", reattach=60) as attached, ThreadPoolExecutor(1) as executor:
        call = executor.submit(attached.hold.run)
        for number in range(2):
            assert hosts[number].stdout.readline() == ("held\n" if number == 0 else "listens\n")  # type: ignore[union-attr]
            if number:
                assert hosts[number].stdout.readline() == "held\n"  # type: ignore[union-attr]
            hosts[number].kill()
            hosts[number].communicate()
            hosts.append(start_python(HOST, address, "answer" if number else "hold"))
        with pytest.raises(RunnerClosedError):
            call.result(60)
        assert attached.pid.run() == hosts[2].pid
    hosts[2].kill()
    hosts[2].communicate()


def test_after_an_orderly_end_nobody_waits_and_the_next_runner_is_found(address: str) -> None:
    """The end was announced, so calls are refused at once; one that comes when somebody listens again is answered."""
    with version(1) as old:
        attached = Runner.attach(old.listen(address), reattach=600)
        assert attached.predict.run(X)[0, 0] == 1
    with pytest.raises(RunnerClosedError):
        attached.predict.run(X)
    with pytest.raises(RunnerClosedError):
        asyncio.run(attached.predict.async_run(X))
    assert not attached.ready()
    with version(2) as new:
        new.listen(address)
        assert attached.predict.run(X)[0, 0] == 2
        assert attached.ready()
    attached.close()
    with pytest.raises(RunnerClosedError, match="Attach again"):
        attached.predict.run(X)


def test_a_runner_that_stops_answers_what_it_has_taken_before_it_closes_the_connection(address: str) -> None:
    """Clients get their answers, not a closed connection."""
    entered, leave = threading.Event(), threading.Event()

    class Held(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            entered.set()
            assert leave.wait(60)
            return x

    runner = Runner(Held).start()
    with Runner.attach(runner.listen(address)) as attached, ThreadPoolExecutor(3) as executor:
        calls = [executor.submit(attached.predict.run, X)]
        assert entered.wait(60)
        stopping = executor.submit(runner.stop)
        while runner.engine.state == "running":
            os.sched_yield()
        with contextlib.suppress(RunnerClosedError):
            attached.predict.run(X)
        leave.set()
        assert (calls[0].result(60) == X).all()
        stopping.result(60)

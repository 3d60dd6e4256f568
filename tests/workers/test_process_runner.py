"""A runner whose workers are processes: what dies, hangs or cannot be sent concerns only the calls in it."""

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
import pandas
import pytest

from inside.runners import _resources
from process_support import by_value, start_python
from tiffin.exceptions import (
    BatchRowsError,
    CallTimeoutError,
    MethodTimeoutError,
    QueueFullError,
    RemoteError,
    RunnerClosedError,
    RunnerNotReadyError,
    RunnerOptionError,
    UnsendableError,
    WorkerDiedError,
)
from tiffin.runners import Explained, Runnable, Runner, share_resources

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


_by_value = by_value(__name__)


X = numpy.arange(8.0).reshape(2, 4)
BAD, DEADLY = -1.0, -2.0


class Model(Runnable):
    SUPPORTS_CPU_MULTI_THREADING = True

    def __init__(self, fail: str = "") -> None:
        import os
        from pathlib import Path

        if fail and Path(fail).exists():
            raise OSError(f"{fail} is in the way")
        self.pid = os.getpid()

    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        import os

        if (x == DEADLY).any():
            os._exit(7)
        if (x == BAD).any():
            raise ValueError("bad value")
        return x.sum(axis=1)

    @Runnable.method(batchable=True)
    def double(self, x: Any) -> Any:
        return x * 2

    @Runnable.method(batchable=True, idempotent=False)
    def once(self, x: Any) -> Any:
        import os

        os._exit(8)

    @Runnable.method
    def process(self) -> int:
        return self.pid

    @Runnable.method
    def environment(self, name: str) -> Any:
        import os

        return os.environ.get(name)

    @Runnable.method
    def hang(self) -> None:
        import threading

        threading.Event().wait()

    @Runnable.method
    def unsendable(self) -> Any:
        return object()

    @Runnable.method(batchable=True)
    def lossy(self, x: Any) -> Any:
        return x[1:]

    @Runnable.method
    async def later(self, x: Any) -> Any:
        import asyncio

        await asyncio.sleep(0)
        return x + 1

    @Runnable.method
    def count(self, end: int) -> Any:
        yield from range(end)

    @Runnable.method
    async def count_later(self, end: int) -> Any:
        for number in range(end):
            yield number


def call_until(error: Any, runner: Any) -> None:
    """Call until that is refused."""
    try:
        while True:
            runner.predict.run(X)
    except error:
        return


@pytest.fixture(scope="module")
def shared() -> Iterator[Runner]:
    with Runner(Model, backend="process", max_batch_size=50, max_concurrency=3) as runner:
        yield runner


@pytest.fixture
def attached(shared: Runner, tmp_path: Path) -> Iterator[Any]:
    with Runner.attach(shared.listen(tmp_path / "private" / "socket")) as runner:
        yield runner


@pytest.fixture(params=["here", "attached"])
def runner(request: pytest.FixtureRequest, shared: Runner) -> Any:
    """The runner itself, and one that is attached to it: both are used in the same way."""
    return shared if request.param == "here" else request.getfixturevalue("attached")


def test_calls_look_the_same_whatever_the_back_end(runner: Any) -> None:
    """Sync and async, batchable or not, with arrays, frames, lists, streams, explanations and timeouts."""
    assert list(runner.predict.run(X)) == [6.0, 22.0]
    assert list(runner.predict.options(timeout=60).run(X)) == [6.0, 22.0]
    assert runner.process.run() != os.getpid()
    assert runner.later.run(1) == 2
    assert list(runner.count.run(20)) == list(range(20))
    assert list(runner.count_later.run(3)) == [0, 1, 2]
    frame = pandas.DataFrame({"a": [1, 2]})
    pandas.testing.assert_frame_equal(runner.double.run(frame), frame * 2)

    async def calls() -> None:
        assert list(await runner.predict.async_run(X)) == [6.0, 22.0]
        assert await runner.later.async_run(1) == 2
        assert [item async for item in await runner.count.async_run(20)] == list(range(20))
        assert [item async for item in runner.count_later.async_stream(3)] == [0, 1, 2]
        answer = await runner.predict.options(explain=True, timeout=60).async_run(X)
        assert isinstance(answer, Explained)
        assert answer.explanation.batch_rows == 2

    asyncio.run(calls())
    assert runner.predict.options(explain=True).run(X).explanation.worker.startswith("model-0")


def test_calls_merge_and_a_bad_one_fails_alone(runner: Any) -> None:
    """300 at once, one of them bad: the others do not notice."""

    async def calls() -> list[Any]:
        rows = [numpy.full((1, 4), BAD if number == 70 else float(number)) for number in range(300)]
        return await asyncio.gather(*[runner.predict.async_run(row) for row in rows], return_exceptions=True)

    answers = asyncio.run(calls())
    error = answers.pop(70)
    assert isinstance(error, RemoteError)
    assert error.type_name.endswith("ValueError")
    assert error.text == "bad value"
    assert "predict" in error.traceback_text
    assert [answer[0] for answer in answers] == [4.0 * number for number in range(300) if number != 70]


def test_a_call_larger_than_a_batch_comes_back_whole(runner: Any) -> None:
    """Also if it is large enough for shared memory."""
    large = numpy.random.default_rng(0).random((1000, 500))
    assert numpy.array_equal(runner.double.run(large), large * 2)


def test_what_cannot_be_sent_is_refused_by_name(runner: Any) -> None:
    """Arguments and results; the worker and its other callers go on."""
    with pytest.raises(UnsendableError, match="object"):
        runner.process.run(object())
    with pytest.raises(UnsendableError):
        runner.unsendable.run()
    with pytest.raises(BatchRowsError, match="was given 2 rows"):
        runner.lossy.run(X)
    assert list(runner.predict.run(X)) == [6.0, 22.0]


def test_streams_that_are_left_free_their_lane(runner: Any) -> None:
    """More of them than lanes, each left after one item."""
    for _ in range(5):
        stream = runner.count.run(1_000_000)
        assert next(stream) == 0
        stream.close()

    async def leave() -> None:
        stream = runner.count_later.async_stream(1_000_000)
        assert await anext(stream) == 0
        await stream.aclose()

    for _ in range(5):
        asyncio.run(leave())
    assert list(runner.count.run(3)) == [0, 1, 2]


def test_a_worker_that_dies_is_replaced_and_its_calls_are_repeated(shared: Runner) -> None:
    """Killed from outside, idle or busy: callers of idempotent methods notice nothing."""
    for _ in range(3):
        before = shared.process.run()
        os.kill(before, signal.SIGKILL)
        assert list(shared.predict.run(X)) == [6.0, 22.0]
        assert shared.process.run() != before


def test_a_call_that_kills_its_workers_fails_and_the_rest_go_on(shared: Runner) -> None:
    """It is repeated once; then WorkerDiedError, with the exit code."""
    with pytest.raises(WorkerDiedError) as caught:
        shared.predict.run(numpy.full((1, 4), DEADLY))
    assert caught.value.exit_code == 7
    assert shared.metrics()["methods"]["predict"]["repeated"] >= 1
    assert list(shared.predict.run(X)) == [6.0, 22.0]


def test_a_method_that_is_not_idempotent_is_not_repeated(shared: Runner) -> None:
    """Its caller hears of the first death."""
    repeated = shared.metrics()["methods"]["once"]["repeated"]
    with pytest.raises(WorkerDiedError) as caught:
        shared.once.run(X)
    assert caught.value.exit_code == 8
    assert shared.metrics()["methods"]["once"]["repeated"] == repeated
    assert list(shared.predict.run(X)) == [6.0, 22.0]


def test_a_worker_that_died_idle_is_replaced_when_somebody_asks_whether_it_is_ready(shared: Runner) -> None:
    """So that a load balancer that waits for ready does not wait for ever."""
    descriptor = os.pidfd_open(shared.process.run())
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)
    while not shared.ready():
        os.sched_yield()
    assert list(shared.predict.run(X)) == [6.0, 22.0]


DYING = """
import os, signal, time
from process_support import descriptors, wait_until_gone
from tiffin.runners import Runnable, Runner

class Model(Runnable):
    @Runnable.method
    def process(self):
        import os
        return os.getpid()

with Runner(Model, backend="process") as runner:
    before = len(descriptors())
    for _ in range(3):
        gone = os.pidfd_open(runner.process.run())
        signal.pidfd_send_signal(gone, signal.SIGKILL)
        assert wait_until_gone(gone)
        while not runner.ready():
            os.sched_yield()
    end = time.monotonic() + 20
    while len(descriptors()) > before and time.monotonic() < end:
        os.sched_yield()  # what the last one had is freed once the next one works
    print(len(descriptors()) - before)
"""


def test_workers_that_died_idle_leave_no_descriptors() -> None:
    """Nobody was in them to notice, and a runner may live for months."""
    with start_python(DYING) as program:  # of its own: elsewhere the collector may free other ones meanwhile
        assert program.communicate()[0] == "0\n"


def test_a_method_that_hangs_is_cut_off_and_its_worker_replaced() -> None:
    """After the method's timeout; the runner goes on with another worker."""
    configs = {"hang": {"timeout": 0.2}}
    with Runner(Model, backend="process", method_configs=configs, max_concurrency=1) as runner:
        before = runner.process.run()
        with pytest.raises(MethodTimeoutError) as caught:
            runner.hang.run()
        assert caught.value.timeout == 0.2
        assert runner.process.run() != before


def test_callers_timeout_does_not_harm_the_worker() -> None:
    """The call goes on there; nobody waits for it."""
    with Runner(Model, backend="process", workers=2, max_concurrency=1) as runner:
        with pytest.raises(CallTimeoutError):
            runner.hang.options(timeout=0.05).run()
        assert list(runner.predict.run(X)) == [6.0, 22.0]
        runner.stop(0)


def test_an_error_while_making_the_runnable_comes_out_of_start(tmp_path: Path) -> None:
    """As RemoteError, and no process is left."""
    runner = Runner(Model, backend="process", runnable_init_params={"fail": str(tmp_path)})
    with pytest.raises(RemoteError, match="is in the way"):
        runner.start()


def test_a_runner_without_any_worker_refuses_until_one_starts_again(tmp_path: Path) -> None:
    """A model that cannot be loaded any more: calls are refused with the cause; when it can be again, all is well."""
    obstacle = tmp_path / "obstacle"
    with Runner(Model, backend="process", runnable_init_params={"fail": str(obstacle)}, max_concurrency=1) as runner:
        obstacle.touch()
        os.kill(runner.process.run(), signal.SIGKILL)
        call_until((RunnerNotReadyError, WorkerDiedError), runner)
        with pytest.raises(RunnerNotReadyError, match="is in the way"):
            runner.predict.run(X)
        assert not runner.ready()
        obstacle.unlink()
        while not runner.ready():
            os.sched_yield()
        assert list(runner.predict.run(X)) == [6.0, 22.0]


def test_a_strategy_of_ones_own_is_asked_for_each_worker(tmp_path: Path) -> None:
    """With its index; each gets what was said for it."""
    asked = []

    def strategy(index: int, workers: int, processors: int, runnable_class: type) -> dict[str, str]:
        asked.append((index, workers, runnable_class))
        return {"OMP_NUM_THREADS": str(40 + index)}

    with Runner(Meeting, backend="process", resources=strategy, workers=2) as runner:
        assert asked == [(0, 2, Meeting), (1, 2, Meeting)]
        assert [value for _, value in meet(runner, "OMP_NUM_THREADS", tmp_path, 2)] == ["40", "41"]


class Meeting(Runnable):
    """Answers once all workers are in the call, so that each of them answers one."""

    @Runnable.method
    def meet(self, name: str, folder: str, count: int) -> tuple[int, str | None]:
        import os
        import time
        from pathlib import Path

        Path(folder, str(os.getpid())).touch()
        end = time.monotonic() + 60
        while len(list(Path(folder).iterdir())) < count and time.monotonic() < end:
            os.sched_yield()
        return os.getpid(), os.environ.get(name)


def meet(runner: Runner, name: str, folder: Path, workers: int) -> list[tuple[int, str | None]]:
    """Return process and value of a variable of all workers, sorted by the value."""
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        calls = [pool.submit(runner.meet.run, name, str(folder), workers) for _ in range(workers)]
        return sorted((call.result() for call in calls), key=lambda answer: str(answer[1]))


@pytest.mark.parametrize(
    ("supported", "visible", "seen"),
    [
        (("nvidia.com/gpu", "cpu"), "4,5", ["4", "5"]),
        (("nvidia.com/gpu", "cpu"), "7", ["7", "7"]),
        (("cpu",), "4,5", ["", ""]),
    ],
)
def test_worker_i_sees_gpu_i(
    supported: tuple[str, ...], visible: str, seen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """More workers than GPUs share them; what supports the CPU only sees none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    kind = type("Device", (Meeting,), {"SUPPORTED_RESOURCES": supported})
    with Runner(kind, backend="process", workers=2) as runner:
        assert [value for _, value in meet(runner, "CUDA_VISIBLE_DEVICES", tmp_path / "meeting", 2)] == seen


def test_a_worker_that_is_started_again_sees_what_the_old_one_saw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its place is its own."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    kind = type("Device", (Meeting,), {"SUPPORTED_RESOURCES": ("nvidia.com/gpu", "cpu")})
    with Runner(kind, backend="process") as runner:
        [(first, value)] = meet(runner, "CUDA_VISIBLE_DEVICES", tmp_path / "meeting", 1)
        os.kill(first, signal.SIGKILL)
        [(second, again)] = meet(runner, "CUDA_VISIBLE_DEVICES", tmp_path / "meeting", 1)
    assert (value, again) == ("6", "6")
    assert first != second


def test_more_workers_than_gpus_share_them_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in order, as `CUDA_VISIBLE_DEVICES` names them; what is set for threads stays."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-a1,0")
    monkeypatch.setenv("OMP_NUM_THREADS", "9")
    kind = type("Device", (Model,), {"SUPPORTED_RESOURCES": ("nvidia.com/gpu", "cpu")})
    shares = [share_resources(index, 5, 8, kind) for index in range(5)]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["3", "GPU-a1", "0", "3", "GPU-a1"]
    assert all("OMP_NUM_THREADS" not in share for share in shares)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(_resources, "visible_gpus", list)
    assert "CUDA_VISIBLE_DEVICES" not in share_resources(0, 1, 8, kind)


@pytest.mark.parametrize("backend", ["local", "process"])
def test_what_runs_on_gpus_only_is_refused_where_there_is_none(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any worker starts, and with what is missing."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    kind = type("Device", (Model,), {"SUPPORTED_RESOURCES": ("nvidia.com/gpu",)})
    with pytest.raises(RunnerOptionError, match=r"runs on 'nvidia.com/gpu' only.*CUDA_VISIBLE_DEVICES"):
        Runner(kind, backend=backend)


@pytest.mark.parametrize(("workers", "threads", "kills"), [(2, 1, 10), (1, 2, 10)])
def test_killing_workers_under_load_harms_no_caller(workers: int, threads: int, kills: int) -> None:
    """Kill -9, again and again, while threads and a loop call: every call is answered, rightly or with WorkerDiedError."""
    check_kills(workers, threads, kills)


@pytest.mark.slow
def test_a_hundred_kills_under_load_harm_no_caller() -> None:
    """The same a hundred times."""
    check_kills(2, 1, 100)


def check_kills(workers: int, threads: int, kills: int) -> None:
    stop = threading.Event()
    died = [0]
    answered = [0]

    def sync_caller(runner: Runner, number: int) -> None:
        x = numpy.full((1, 4), float(number))
        while not stop.is_set():
            try:
                assert runner.predict.run(x)[0] == 4.0 * number
                answered[0] += 1
            except WorkerDiedError:
                died[0] += 1

    async def async_callers(runner: Runner) -> None:
        async def caller(number: int) -> None:
            x = numpy.full((1, 4), float(number))
            while not stop.is_set():
                try:
                    assert (await runner.predict.async_run(x))[0] == 4.0 * number
                    answered[0] += 1
                except WorkerDiedError:
                    died[0] += 1

        await asyncio.gather(*[caller(number) for number in range(50)])

    options = {"workers": workers, "threads": threads, "max_concurrency": 1}
    with Runner(Model, backend="process", **options) as runner, ThreadPoolExecutor(5) as executor:
        jobs = [executor.submit(sync_caller, runner, number) for number in range(4)]
        jobs.append(executor.submit(asyncio.run, async_callers(runner)))
        try:
            for _ in range(kills):
                before = answered[0]
                seat = runner.engine.seats[0]
                pid = seat.worker.pid  # type: ignore[attr-defined]
                if seat.usable and pid is not None:
                    with contextlib.suppress(ProcessLookupError):  # dead since the last time, and just noticed
                        os.kill(pid, signal.SIGKILL)
                # Calls go on being answered after each death.
                while answered[0] < before + 20 and not any(job.done() for job in jobs):
                    os.sched_yield()
        finally:
            stop.set()
        for job in jobs:
            job.result(timeout=60)
        assert runner.ready()
    assert answered[0] > 20 * kills
    # A call fails only if its worker died twice over it.
    assert died[0] < answered[0] / 10


CLIENT = """
import sys, numpy
from tiffin.runners import Runner
runner = Runner.attach(sys.argv[1])
held = runner.double.run(numpy.ones((1000, 500)))
hanging = runner.count.run(10**9)
next(hanging)
print("ready")
sys.stdin.read()
"""


def test_a_client_that_is_killed_holding_results_harms_nobody(shared: Runner, tmp_path: Path) -> None:
    """Its calls are cancelled, its lanes freed, its memory swept; others attach and call as before."""
    address = shared.listen(tmp_path / "clients" / "socket")
    for _ in range(4):
        client = start_python(CLIENT, address)
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        client.kill()
        client.communicate()
    with Runner.attach(address) as runner:
        assert list(runner.predict.run(X)) == [6.0, 22.0]
        assert list(runner.count.run(3)) == [0, 1, 2]
    listener = shared._listeners[-1]
    while listener.clients:
        os.sched_yield()


def test_an_attached_runner_ends_with_the_one_it_is_attached_to(tmp_path: Path) -> None:
    """Its calls are refused from then on, clearly."""
    with Runner(Model, name="m") as runner:
        attached = Runner.attach(runner.listen(tmp_path / "private" / "socket"))
        assert attached.ready()
        assert attached.name == "m"
        assert list(attached.predict.run(X)) == [6.0, 22.0]
    call_until(RunnerClosedError, attached)
    attached.close()
    with pytest.raises(RunnerNotReadyError, match="No runner listens"):
        Runner.attach(f"unix:{tmp_path}/private/socket")


def held_runnable() -> tuple[type[Runnable], threading.Event, threading.Event]:
    """Return a runnable, what tells that it has been called, and what lets its calls go on."""
    entered, leave = threading.Event(), threading.Event()

    class Held(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            entered.set()
            assert leave.wait(60)
            return x

    return Held, entered, leave


def test_refusals_reach_attached_clients_as_what_they_are(tmp_path: Path) -> None:
    """Class and facts: a client can wait for retry_after."""
    held, entered, leave = held_runnable()
    with Runner(held, max_queue_rows=2) as runner, ThreadPoolExecutor(2) as executor:  # noqa: SIM117 - needs its address
        with Runner.attach(runner.listen(tmp_path / "private" / "socket")) as attached:
            first = executor.submit(attached.predict.run, X)
            assert entered.wait(60)
            second = executor.submit(attached.predict.run, X)
            while runner.metrics()["waiting_rows"] < 2:
                os.sched_yield()
            with pytest.raises(QueueFullError) as caught:
                attached.predict.run(X)
            assert caught.value.retry_after > 0
            leave.set()
            assert numpy.array_equal(first.result(60), X)
            assert numpy.array_equal(second.result(60), X)


def test_an_attached_callers_timeout_cancels_its_call_there(tmp_path: Path) -> None:
    """It makes room in the queue, and the others go on."""
    held, entered, leave = held_runnable()
    with Runner(held) as runner, ThreadPoolExecutor(1) as executor:
        with Runner.attach(runner.listen(tmp_path / "private" / "socket")) as attached:
            first = executor.submit(attached.predict.run, X)
            assert entered.wait(60)
            with pytest.raises(CallTimeoutError):
                attached.predict.options(timeout=0.01).run(X)
            with pytest.raises(CallTimeoutError):
                asyncio.run(attached.predict.options(timeout=0.01).async_run(X))
            leave.set()
            assert numpy.array_equal(first.result(60), X)
            assert numpy.array_equal(attached.predict.run(X), X)
        assert runner.metrics()["methods"]["predict"]["abandoned"] >= 1, "the second may not have been sent yet"


GREEN = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent, numpy, tiffin

class Model(tiffin.Runnable):
    @tiffin.Runnable.method(batchable=True)
    def predict(self, x):
        return x + 1

    @tiffin.Runnable.method
    def count(self, limit):
        yield from range(limit)

def use(runner):
    x = numpy.ones((1, 2))
    jobs = [gevent.spawn(runner.predict.run, x * number) for number in range(8)]
    gevent.joinall(jobs, timeout=60, raise_error=True)
    assert [job.value[0][0] for job in jobs] == list(range(1, 9))
    assert list(runner.count.run(3)) == [0, 1, 2]

with tiffin.Runner(Model, backend=sys.argv[1]) as runner:
    use(runner)
    with tiffin.Runner.attach(runner.listen(sys.argv[2])) as attached:
        use(attached)
print("all are answered")
"""


@pytest.mark.parametrize("backend", ["local", "process"])
def test_programs_that_gevent_has_patched_call_and_attach_and_end(tmp_path: Path, backend: str) -> None:
    """Threads are greenlets there and sockets never block; calls are answered, and the program ends."""
    pytest.importorskip("gevent")
    program = start_python(GREEN, backend, str(tmp_path / "own" / "socket"))
    output, _ = program.communicate(timeout=120)
    assert program.returncode == 0
    assert output == "all are answered\n"

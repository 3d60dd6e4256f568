"""A runner of this process: life cycle, calls, options, errors, limits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import re
import threading
from types import SimpleNamespace
from typing import Any

import numpy
import pandas
import pytest

from inside.runners import backends
from inside.signatures import TAKEN
from tiffin.batching import Explanation
from tiffin.exceptions import (
    BatchInputError,
    BatchRowsError,
    CallTimeoutError,
    ForkedRunnerError,
    MethodTimeoutError,
    QueueFullError,
    RunnerClosedError,
    RunnerError,
    RunnerNotReadyError,
    RunnerOptionError,
    SignatureError,
    UndecidedError,
)
from tiffin.runners import (
    Backend,
    Explained,
    LocalBackend,
    Runnable,
    Runner,
    Worker,
    WorkerSpec,
    metrics_text,
    register_backend,
)
from tiffin.signatures import normalise_signatures

X = numpy.arange(8.0).reshape(2, 4)


class Model(Runnable):
    def __init__(self, factor: int = 1) -> None:
        self.factor = factor
        self.thread = threading.get_ident()

    @Runnable.method(batchable=True)
    def predict(self, x: Any, offset: int = 0) -> Any:
        return x.sum(axis=1) * self.factor + offset

    @Runnable.method(batchable=True)
    def lossy(self, x: Any) -> Any:
        return x[1:]

    @Runnable.method
    def describe(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @Runnable.method(thread_affine=True)
    def where(self) -> bool:
        return threading.get_ident() == self.thread


class Gate(Runnable):
    """Waits inside until it is told to go on."""

    entered = threading.Semaphore(0)
    leave = threading.Event()

    def __init__(self) -> None:
        type(self).entered = threading.Semaphore(0)
        type(self).leave = threading.Event()

    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        self.entered.release()
        assert self.leave.wait(60)
        return x


class Parallel:
    """Calls in threads of their own, whose answers are looked at later."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.answers: dict[int, Any] = {}

    def call(self, function: Any, *args: Any) -> None:
        number = len(self.threads)

        def run() -> None:
            try:
                self.answers[number] = function(*args)
            except Exception as error:  # noqa: BLE001 - looked at by the test
                self.answers[number] = error

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()

    def wait(self) -> list[Any]:
        for thread in self.threads:
            thread.join(60)
        return [self.answers[number] for number in range(len(self.threads))]


def waits(runner: Runner, rows: int) -> None:
    """Return when so many rows wait in line."""
    while runner.metrics()["waiting_rows"] < rows:
        os.sched_yield()


def test_run_and_async_run_answer_alike() -> None:
    """Batchable or not, with positional and keyword arguments."""
    with Runner(Model, runnable_init_params={"factor": 2}) as runner:
        assert list(runner.predict.run(X)) == [12.0, 44.0]
        assert list(runner.predict.run(x=X, offset=1)) == [13.0, 45.0]
        assert runner.describe.run(1, two=2) == ((1,), {"two": 2})

        async def calls() -> None:
            assert list(await runner.predict.async_run(X)) == [12.0, 44.0]
            assert list(await runner.predict.async_run(X, offset=1)) == [13.0, 45.0]
            assert await runner.describe.async_run(1, two=2) == ((1,), {"two": 2})
            assert list(await asyncio.create_task(runner.predict.async_run(X))) == [12.0, 44.0]

        asyncio.run(calls())


def test_init_local_starts_a_runner_as_in_bentoml() -> None:
    """And stop ends it."""
    runner = Runner(Model)
    runner.init_local()
    try:
        assert runner.ready()
        assert list(runner.predict.run(X)) == [6.0, 22.0]
    finally:
        runner.stop()
    assert not runner.ready()


def test_a_runner_works_as_an_async_context_manager() -> None:
    """It starts and stops without blocking the loop."""

    async def use() -> None:
        async with Runner(Model) as runner:
            assert list(await runner.predict.async_run(X)) == [6.0, 22.0]
        with pytest.raises(RunnerClosedError):
            await runner.predict.async_run(X)

    asyncio.run(use())


def test_before_start_and_after_stop_calls_are_refused() -> None:
    """With errors that say what to do."""
    runner = Runner(Model, name="iris")
    with pytest.raises(RunnerNotReadyError, match=r"'iris' is not started. Call runner.start"):
        runner.predict.run(X)
    runner.start()
    with pytest.raises(RunnerError):
        runner.start()
    runner.stop()
    runner.stop()
    with pytest.raises(RunnerClosedError, match="stopped"):
        runner.predict.run(X)
    with pytest.raises(RunnerClosedError, match="stopped"):
        asyncio.run(runner.describe.async_run())


def test_copies_in_this_process_are_made_one_after_the_other() -> None:
    """Loading imports the framework, and of two threads that do so at once one may find half of it."""
    alone = threading.Lock()
    other_came = threading.Event()

    class Slow(Model):
        def __init__(self) -> None:
            if not alone.acquire(blocking=False):
                other_came.set()
                return
            other_came.wait(0.1)
            alone.release()

    with Runner(Slow, workers=2):
        assert not other_came.is_set()


def test_an_error_while_making_the_runnable_comes_out_of_start() -> None:
    """And the runner is stopped."""

    class Broken(Runnable):
        def __init__(self) -> None:
            raise OSError("no such model")

        @Runnable.method
        def predict(self) -> None: ...

    runner = Runner(Broken, workers=2)
    with pytest.raises(OSError, match="no such model"):
        runner.start()
    with pytest.raises(RunnerClosedError):
        runner.predict.run()


def test_run_calls_the_one_obvious_method() -> None:
    """The only one, or __call__; with several the error names them."""

    class Only(Runnable):
        @Runnable.method
        def guess(self, x: int) -> int:
            return x + 1

    class Callable(Only):
        @Runnable.method
        def __call__(self, x: int) -> int:
            return x * 10

    with Runner(Only) as runner:
        assert runner.run(1) == 2
        assert asyncio.run(runner.async_run(1)) == 2
    with Runner(Callable) as runner:
        assert runner.run(1) == 10
        assert runner.guess.run(1) == 2
    with Runner(Model) as runner, pytest.raises(RunnerOptionError, match="several methods: predict, lossy"):
        runner.run(X)


class Clash(Runnable):
    """Methods whose names are the runner's own."""

    @Runnable.method
    def run(self, x: int) -> int:
        return x + 1

    @Runnable.method
    def options(self) -> str:
        return "options"

    @Runnable.method
    def ready(self) -> str:
        return "ready"

    @Runnable.method
    def name(self) -> str:
        return "name"


@pytest.mark.parametrize("attached", [False, True])
def test_a_method_named_like_one_of_the_runners_is_reached_as_in_bentoml(attached: bool, tmp_path: Any) -> None:
    """`runner.run.run(x)`; called, the name is the runner's own. `methods` has those that no attribute can be."""
    with contextlib.ExitStack() as stack:
        runner: Any = stack.enter_context(Runner(Clash, name="clash"))
        if attached:
            runner = stack.enter_context(Runner.attach(runner.listen(tmp_path / "own" / "socket")))
        assert runner.run.run(1) == 2
        assert asyncio.run(runner.run.async_run(1)) == 2
        assert runner.ready.run() == "ready"
        assert runner.ready() is True
        assert runner.options.options(timeout=5).run() == "options"
        assert runner.name == "clash"
        assert runner.methods["name"].run() == "name"
        with pytest.raises(RunnerOptionError, match="several methods"):
            runner.run(1)
        with pytest.raises(AttributeError, match="'missing'; its methods: run"):
            _ = runner.missing


def test_what_no_attribute_of_a_runner_can_be_is_refused_at_save() -> None:
    """The list is what runners have that cannot be called, here and attached."""
    with Runner(Model) as runner:
        own = {name for name in dir(runner) if not name.startswith("_") and not callable(getattr(runner, name))}
    assert own - set(runner.methods) == TAKEN
    with pytest.raises(SignatureError, match=r"cannot be called 'name'.*runner\.name is the runner's own"):
        normalise_signatures({"name": {}})


def test_a_runner_that_nobody_refers_to_ends() -> None:
    """Its threads and workers go; as long as somebody has one of its methods, they stay."""
    runner = Runner(Model, workers=2).start()
    engine = runner.engine
    predict = runner.predict
    del runner
    assert list(predict.run(X)) == [6.0, 22.0]
    threads = [engine.desk.thread, *(slot.thread for slot in engine.slots)]
    del predict
    gc.collect()
    for thread in threads:
        assert thread is not None
        thread.join(60)
        assert not thread.is_alive()
    assert engine.state == "stopped"


class Marking(Runnable):
    """Changes what it is given, and then fails for some."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    @Runnable.method(batchable=True)
    def predict(self, rows: Any, settings: Any = None) -> Any:
        for row in rows:
            row["runs"] = row.get("runs", 0) + 1
        return self._check(rows, [row["value"] for row in rows])

    @Runnable.method(batchable=True)
    def texts(self, rows: Any, settings: Any = None) -> Any:
        if settings:
            settings.clear()
        return self._check(rows, rows)

    def _check(self, rows: Any, values: Any) -> Any:
        if "bad" in values:
            raise ValueError("bad")
        return list(rows)


@pytest.mark.parametrize("backend", ["local", "process"])
def test_what_a_first_run_may_have_changed_is_not_run_again(backend: str) -> None:
    """Callers learn that nobody knows who is to blame. In another process each run gets the items as they came."""

    async def call(runner: Any, method: str, values: list[Any], **others: Any) -> list[Any]:
        calls = [getattr(runner, method).async_run([value], **others) for value in values]
        return await asyncio.gather(*calls, return_exceptions=True)

    with Runner(Marking, backend=backend) as runner:
        rows = [{"value": value} for value in ("a", "bad", "b")]
        answers = asyncio.run(call(runner, "predict", rows))
        if backend == "local":
            assert all("can be changed in place" in str(answer) for answer in answers)
            assert all(isinstance(answer, UndecidedError) for answer in answers)
            assert [row["runs"] for row in rows] == [1, 1, 1]
        else:
            assert [answer[0]["runs"] for answer in (answers[0], answers[2])] == [1, 1]
            assert isinstance(answers[1], ValueError)
        fixed = asyncio.run(call(runner, "texts", ["a", "bad", "b"]))
        assert fixed[::2] == [["a"], ["b"]]
        assert isinstance(fixed[1], ValueError)
        kept = asyncio.run(call(runner, "texts", ["a", "bad", "b"], settings={}))
        assert kept[::2] == [["a"], ["b"]]
        changed = asyncio.run(call(runner, "texts", ["a", "bad", "b"], settings={"x": 1}))
        assert [isinstance(answer, UndecidedError) for answer in changed] == [backend == "local"] * 3


def test_explain_tells_what_happened_to_a_call() -> None:
    """Queue time, batch, rows, calls, the reason of release and compute time, sync and async."""
    with Runner(Model) as runner:
        for answer in (
            runner.predict.options(explain=True).run(X),
            runner.predict.options(explain=True, timeout=60).run(X),
            asyncio.run(runner.predict.options(explain=True).async_run(X)),
            runner.describe.options(explain=True).run(X),
        ):
            assert isinstance(answer, Explained)
            told = answer.explanation
            assert isinstance(told, Explanation)
            assert told.batch_calls == 1
            assert told.queued_seconds >= 0
            assert told.compute_seconds > 0
            assert told.as_dict()["method"] in str(told)
        assert list(runner.predict.options(explain=True).run(X).result) == [6.0, 22.0]


@pytest.mark.parametrize("explain", [False, True])
def test_calls_of_one_tick_fill_batches(explain: bool) -> None:
    """Two hundred calls at once are two batches of a hundred, whether they ask for an explanation or not."""

    async def main(runner: Runner) -> None:
        method = runner.predict.options(explain=True) if explain else runner.predict
        await asyncio.gather(*(method.async_run(X[:1]) for _ in range(200)))

    with Runner(Model, max_batch_size=100) as runner:
        asyncio.run(main(runner))
        sizes = runner.metrics()["methods"]["predict"]["batch_rows"]
    assert (sizes["count"], sizes["sum"], sizes["counts"][sizes["bounds"].index(128)]) == (2, 200, 2)


def test_calls_that_find_the_worker_busy_gather_and_leave_together() -> None:
    """Event-driven merging: one batch when the worker is free, and the explanation says why."""
    with Runner(Gate, max_batch_size=100) as runner:
        calls = Parallel()
        calls.call(runner.predict.run, X)
        Gate.entered.acquire(timeout=60)
        for number in range(5):
            calls.call(runner.predict.options(explain=True).run, X + number)
        waits(runner, 10)
        Gate.leave.set()
        answers = calls.wait()
    assert {answer.explanation.batch for answer in answers[1:]} == {2}
    for number, (result, told) in enumerate(answers[1:]):
        assert numpy.array_equal(result, X + number)
        assert (told.batch_calls, told.batch_rows) == (5, 10)
        assert told.released == "a worker became free"
        assert told.queued_seconds > 0


def test_a_call_larger_than_a_batch_is_split_and_put_together() -> None:
    """In order, also while others share the batches."""
    with Runner(Model, max_batch_size=7) as runner:
        large = numpy.arange(400.0).reshape(100, 4)
        assert numpy.array_equal(runner.predict.run(large), large.sum(axis=1))
        assert runner.metrics()["methods"]["predict"]["batches"] == 15

        async def calls() -> None:
            answers = await asyncio.gather(*[runner.predict.async_run(large[:rows]) for rows in range(1, 40)])
            for rows, answer in enumerate(answers, start=1):
                assert numpy.array_equal(answer, large[:rows].sum(axis=1))

        asyncio.run(calls())


def test_frames_and_lists_merge_too() -> None:
    """With the index and columns that each caller would have got alone."""

    class Frames(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            return x.assign(total=x.sum(axis=1)) if isinstance(x, pandas.DataFrame) else [item + 1 for item in x]

    async def calls(runner: Runner) -> None:
        frames = [pandas.DataFrame({"a": [number, 1], "b": [2, 3]}) for number in range(20)]
        lists = [[number, number + 1] for number in range(20)]
        answers = await asyncio.gather(*[runner.predict.async_run(x) for x in (*frames, *lists)])
        for frame, answer in zip(frames, answers[:20], strict=True):
            pandas.testing.assert_frame_equal(answer, frame.assign(total=frame.sum(axis=1)))
        assert answers[20:] == [[number + 1, number + 2] for number in range(20)]

    with Runner(Frames) as runner:
        asyncio.run(calls(runner))
        assert runner.metrics()["methods"]["predict"]["batches"] <= 4


def test_a_wrong_number_of_rows_is_an_error_for_a_caller_alone_too() -> None:
    """Otherwise it would show only under load."""
    with Runner(Model) as runner:
        with pytest.raises(BatchRowsError, match="was given 2 rows and returned a ndarray of 1"):
            runner.lossy.run(X)
        with pytest.raises(BatchRowsError):
            asyncio.run(runner.lossy.async_run(X))


def test_arguments_that_do_not_go_together_are_refused_before_they_are_queued() -> None:
    """In the caller's own thread or coroutine."""
    with Runner(Model) as runner:
        with pytest.raises(BatchInputError):
            runner.predict.run(X, offset=[1, 2, 3])
        with pytest.raises(BatchInputError):
            asyncio.run(runner.predict.async_run(X, offset=[1, 2, 3]))


@pytest.mark.parametrize("raised", [StopIteration("end"), KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()])
def test_an_error_that_is_a_signal_elsewhere_reaches_the_caller_as_an_error(raised: BaseException) -> None:
    """StopIteration, SystemExit and their like neither hang a future nor end a worker thread."""

    class Odd(Runnable):
        @Runnable.method
        def predict(self) -> None:
            raise raised

    with Runner(Odd) as runner:
        with pytest.raises(RunnerError, match=type(raised).__name__):
            asyncio.run(runner.predict.async_run())
        with pytest.raises(RunnerError, match=type(raised).__name__):
            runner.predict.options(timeout=60).run()
        assert runner.ready()


def test_a_thread_affine_method_runs_in_the_thread_that_made_the_runnable() -> None:
    """From any caller."""
    with Runner(Model, workers=2) as runner:
        assert runner.where.run()
        assert asyncio.run(runner.where.async_run())


def test_a_callers_timeout_concerns_this_caller_only() -> None:
    """Sync and async; the others in its batch get their answers."""
    with Runner(Gate) as runner:
        calls = Parallel()
        calls.call(runner.predict.run, X)
        Gate.entered.acquire(timeout=60)
        calls.call(runner.predict.run, X)
        waits(runner, 2)
        with pytest.raises(CallTimeoutError, match=r"did not answer within 0\.01 s") as caught:
            runner.predict.options(timeout=0.01).run(X)
        assert caught.value.timeout == 0.01
        with pytest.raises(CallTimeoutError):
            asyncio.run(runner.predict.options(timeout=0.01).async_run(X))
        Gate.leave.set()
        assert all(numpy.array_equal(answer, X) for answer in calls.wait())
        assert runner.metrics()["methods"]["predict"]["abandoned"] == 2


def test_a_full_queue_refuses_with_its_own_error() -> None:
    """Sync and async; what waits already is answered."""
    with Runner(Gate, max_queue_rows=4) as runner:
        calls = Parallel()
        calls.call(runner.predict.run, X)
        Gate.entered.acquire(timeout=60)
        for _ in range(2):
            calls.call(runner.predict.run, X)
        waits(runner, 4)
        with pytest.raises(QueueFullError, match="4 rows wait, 4 may"):
            runner.predict.run(X)
        with pytest.raises(QueueFullError):
            asyncio.run(runner.predict.async_run(X))
        Gate.leave.set()
        assert all(numpy.array_equal(answer, X) for answer in calls.wait())
        assert runner.metrics()["methods"]["predict"]["overflowed"] == 2


def test_a_local_method_that_hangs_fails_its_calls_and_makes_the_runner_refuse() -> None:
    """After the method's timeout; when it comes back after all, the runner takes calls again."""
    with Runner(Gate, method_configs={"predict": {"timeout": 0.05}}) as runner:
        calls = Parallel()
        calls.call(runner.predict.run, X)
        Gate.entered.acquire(timeout=60)
        calls.call(runner.predict.run, X + 1)
        first, second = calls.wait()
        assert isinstance(first, MethodTimeoutError)
        assert first.timeout == 0.05
        assert isinstance(second, RunnerNotReadyError)
        assert not runner.ready()
        with pytest.raises(RunnerNotReadyError, match="hangs"):
            runner.predict.run(X)
        Gate.leave.set()
        while not runner.ready():
            os.sched_yield()
        assert numpy.array_equal(runner.predict.run(X), X)


def test_a_hang_in_a_batch_that_follows_another_is_noticed_too() -> None:
    """The time of each batch is watched, not only of those that find an idle worker."""
    with Runner(Gate, method_configs={"predict": {"timeout": 0.2}}) as runner:
        calls = Parallel()
        calls.call(runner.predict.run, X)
        Gate.entered.acquire(timeout=60)
        calls.call(runner.predict.run, X)
        waits(runner, 2)
        leave, Gate.leave = Gate.leave, threading.Event()
        leave.set()
        first, second = calls.wait()
        assert numpy.array_equal(first, X)
        assert isinstance(second, MethodTimeoutError)
        Gate.leave.set()


def test_a_caller_cancelled_while_its_batch_runs_does_not_harm_the_others_in_it() -> None:
    """They get their answers."""

    async def use(runner: Runner) -> None:
        tasks = [asyncio.create_task(runner.predict.async_run(X + number)) for number in range(6)]
        while not Gate.entered.acquire(blocking=False):
            await asyncio.sleep(0)
        tasks[1].cancel()
        Gate.leave.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers.pop(1), asyncio.CancelledError)
        for number, answer in zip((0, 2, 3, 4, 5), answers, strict=True):
            assert numpy.array_equal(answer, X + number)

    with Runner(Gate) as runner:
        asyncio.run(asyncio.wait_for(use(runner), 60))


def test_drain_answers_what_was_taken_and_takes_no_more() -> None:
    """It says whether all was answered in time."""
    runner = Runner(Gate).start()
    calls = Parallel()
    calls.call(runner.predict.run, X)
    Gate.entered.acquire(timeout=60)
    calls.call(runner.predict.run, X)
    waits(runner, 2)
    assert not runner.drain(timeout=0.01)
    with pytest.raises(RunnerClosedError, match="draining"):
        runner.predict.run(X)
    Gate.leave.set()
    assert runner.drain(timeout=60)
    runner.stop()
    assert all(numpy.array_equal(answer, X) for answer in calls.wait())


def test_stop_without_time_fails_what_waits() -> None:
    """Queued calls get RunnerClosedError at once."""
    runner = Runner(Gate).start()
    calls = Parallel()
    calls.call(runner.predict.run, X)
    Gate.entered.acquire(timeout=60)
    calls.call(runner.predict.run, X)
    waits(runner, 2)
    runner.stop(0)
    Gate.leave.set()
    first, second = calls.wait()
    assert numpy.array_equal(first, X)
    assert isinstance(second, RunnerClosedError)


def test_a_fork_can_not_use_the_parents_runner() -> None:
    """It says so, sync and async, instead of hanging; even if the engine's lock was held while forking."""
    with Runner(Model) as runner:
        runner.predict.run(X)
        with runner.engine.lock:
            child = os.fork()
        if child == 0:
            status = 1
            try:
                for call in (
                    lambda: runner.predict.run(X),
                    lambda: runner.predict.options(timeout=1).run(X),
                    lambda: asyncio.run(runner.predict.async_run(X)),
                ):
                    try:
                        call()
                    except ForkedRunnerError:
                        continue
                    os._exit(2)
                assert not runner.ready()
                runner.stop()
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert list(runner.predict.run(X)) == [6.0, 22.0]


def test_a_worker_is_warmed_up_before_it_takes_calls() -> None:
    """With the arguments given, once for each worker, past batching and counting."""
    seen: list[Any] = []

    class Cold(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x: Any) -> Any:
            seen.append(len(x))
            return x

    with Runner(Cold, workers=2, warm_up={"predict": (X,)}) as runner:
        assert seen == [2, 2]
        assert runner.metrics()["methods"]["predict"]["calls"] == 0


def test_metrics_count_calls_rows_batches_and_times() -> None:
    """As plain values: a metrics plugin needs nothing else."""
    with Runner(Model, name="iris") as runner:
        for _ in range(3):
            runner.predict.run(X)
        metrics = runner.metrics()
    assert metrics["runner"] == "iris"
    counters = metrics["methods"]["predict"]
    assert (counters["calls"], counters["rows"], counters["batches"]) == (3, 6, 3)
    for name in ("batch_rows", "batch_calls", "queue_seconds", "compute_seconds"):
        histogram = counters[name]
        assert histogram["count"] == 3
        assert len(histogram["counts"]) == len(histogram["bounds"]) + 1
    assert counters["learned_batch_seconds"]["batches"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_batch_size": 0}, "max_batch_size=0"),
        ({"max_latency_ms": 0}, "max_latency_ms=0"),
        ({"workers": 0}, "workers=0"),
        ({"threads": 2}, "does not support multi-threading"),
        ({"max_queue_rows": 0}, "max_queue_rows=0"),
        ({"method_configs": {"other": {}}}, "names 'other'"),
        ({"method_configs": {"predict": {"size": 3}}}, "unknown options: size"),
        ({"method_configs": {"predict": {"timeout": -1}}}, "timeout=-1"),
        ({"warm_up": {"other": ()}}, "names 'other'"),
        ({"name": ""}, "name=''"),
        ({"name": " iris"}, "printable characters, without spaces around"),
        ({"name": "iris\0"}, "printable characters"),
        ({"name": 3}, "name=3"),
        ({"embedded": True, "backend": "process"}, "embedded=True, and backend='process'"),
        ({"workers_per_resource": 2}, "Write workers="),
        ({"scheduling_strategy": object}, "resources="),
        ({"max_batchsize": 3}, "Did you mean 'max_batch_size'"),
        ({"resources": {"cpu": 2}}, r"resources={'cpu': 2}.*workers=…"),
        ({"resources": lambda *_: None}, "answers worker 0 with None"),
        ({"resources": lambda *_: {"OMP_NUM_THREADS": 2}}, "Return a dict of texts"),
        ({"method_configs": ["predict"]}, "Write method_configs="),
        ({"method_configs": {"predict": 5}}, "Write method_configs="),
        ({"warm_up": {"predict": 5}}, "Write warm_up="),
        ({"max_queue_rows": "all"}, "max_queue_rows='all'"),
        ({"runnable_init_params": 5}, "Write runnable_init_params="),
        ({"clock": 5}, "a function that returns seconds"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    """When the runner is made, with the value."""
    with pytest.raises(RunnerOptionError, match=message):
        Runner(Model, **options)


@pytest.mark.parametrize("backend", [5, LocalBackend])
def test_what_is_no_back_end_is_refused(backend: Any) -> None:
    """A class in place of an object of it, say."""
    with pytest.raises(RunnerError, match=r"is no back end.*Known here: auto, local"):
        Runner(Model, backend=backend)


def test_options_without_a_name_are_refused_with_what_to_write() -> None:
    """Whoever comes from elsewhere may write them by position."""
    with pytest.raises(RunnerOptionError, match=r"'iris', 50 without a name.*Write name=…, max_batch_size=…"):
        Runner(Model, "iris", 50)


def test_none_is_the_default_size_of_a_batch_as_in_bentoml() -> None:
    """In common and for one method."""
    runner = Runner(Model, max_batch_size=None, embedded=True, method_configs={"lossy": {"max_batch_size": None}})
    assert {runner.methods[name].method.max_batch_size for name in ("predict", "lossy")} == {100}


def test_a_runner_starts_once() -> None:
    """The error says whether it runs already or has ended, and what to do."""
    runner = Runner(Model).start()
    with pytest.raises(RunnerError, match=r"has been started already.*init_local\(\) once"):
        runner.init_local()
    runner.stop()
    with pytest.raises(RunnerClosedError, match=r"is stopped.*Make a new one"):
        runner.init_local()


def test_a_class_without_methods_is_refused() -> None:
    """The error says how to declare them."""
    with pytest.raises(RunnerOptionError, match=r"Runnable\.method"):
        Runner(Runnable)


class CountingBackend(LocalBackend):
    """A back end that a plugin could bring: the local one, with a count."""

    made: list[str] = []  # noqa: RUF012 - read by the test

    def create_worker(self, spec: WorkerSpec) -> Worker:
        self.made.append(spec.name)
        return super().create_worker(spec)


def test_other_back_ends_are_found_by_name_or_given() -> None:
    """What the runner_backends hook answers is registered under a name."""
    register_backend("counting", CountingBackend)
    try:
        with Runner(Model, name="m", backend="counting", workers=2) as runner:
            assert list(runner.predict.run(X)) == [6.0, 22.0]
        assert CountingBackend.made == ["m-0", "m-1"]
    finally:
        del backends["counting"]
    assert isinstance(LocalBackend(), Backend)
    with Runner(Model, backend=LocalBackend()) as runner:
        assert list(runner.predict.run(X)) == [6.0, 22.0]
    with pytest.raises(RunnerError, match="no runner back end 'counting'"):
        Runner(Model, backend="counting")


def test_an_attached_runner_knows_what_is_behind_it_and_how_that_is(tmp_path: Any) -> None:
    """Tags, digests and specs at once; readiness and counters when asked, true after a drain and after the end."""

    class Stored:
        tag = "iris:1"
        info = SimpleNamespace(content_digest="sha256:0")

    class Told(Runnable):
        @Runnable.method(batchable=True, input_spec={"type": "array", "shape": [None, 4]}, output_spec=object())
        def predict(self, x: Any) -> Any:
            return x

    runner = Runner(Told, name="told", models=[Stored()]).start()
    with Runner.attach(runner.listen(tmp_path / "own" / "socket")) as attached:
        assert attached.describe() == {
            "name": "told",
            "methods": {
                "predict": {
                    "kind": "call",
                    "batchable": True,
                    "idempotent": True,
                    "input_spec": {"type": "array", "shape": [None, 4]},
                }
            },
            "default": "predict",
            "models": [{"tag": "iris:1", "digest": "sha256:0"}],
        }
        assert attached.ready()
        attached.predict.run(X)
        assert attached.metrics()["methods"]["predict"]["rows"] == 2
        assert runner.drain(10)
        assert not attached.ready()
        assert attached.metrics()["state"] == "draining"
        runner.stop()
        assert not attached.ready()
        with pytest.raises(RunnerClosedError):
            attached.metrics()


def test_metrics_are_text_that_prometheus_reads() -> None:
    """Families stand together, each with its type; buckets are cumulated and end with all; labels are escaped."""
    with Runner(Model, name='one "two"') as runner, Runner(Model, name="other") as other:
        runner.predict.run(X)
        text = metrics_text(runner.metrics(), other.metrics())
    lines = text.splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert "# TYPE tiffin_calls_total counter" in types
    assert 'tiffin_calls_total{runner="one \\"two\\"",method="predict"} 1' in lines
    assert 'tiffin_runner_running{runner="other"} 1' in lines
    sizes = [
        line for line in lines if line.startswith('tiffin_batch_rows_bucket{runner="one \\"two\\"",method="predict"')
    ]
    assert [line.rsplit(" ", 1)[1] for line in sizes] == ["0"] + ["1"] * (len(sizes) - 1)
    assert 'le="+Inf"' in sizes[-1]
    family = re.compile(r"[a-z_]+")
    order = [family.match(line.removeprefix("# TYPE ")).group() for line in lines]  # type: ignore[union-attr]
    names = [re.sub("_(bucket|sum|count)$", "", name) for name in order]
    assert len([name for name, _ in itertools.groupby(names)]) == len(set(names))

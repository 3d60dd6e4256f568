"""Runners whose workers are actors, on a real cluster of two nodes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray_runnables import Doubler, Numbers

import tiffin
from tiffin.exceptions import (
    MethodTimeoutError,
    ModelNotFoundError,
    RemoteError,
    RunnerNotReadyError,
    UnsendableError,
    WorkerDiedError,
)
from tiffin.runners import Runner, ScalingRule, WorkerSpec
from tiffin_ray import RayBackend

FEW = {"num_cpus": 0.1}


@pytest.fixture
def numbers(cluster: Any, environment: dict[str, Any]) -> Iterator[Runner]:
    """Return a runner of one actor."""
    backend = RayBackend(actor_options=FEW, runtime_env=environment)
    with Runner(Numbers, backend=backend, runnable_init_params={"factor": 3}) as runner:
        yield runner


def test_methods_of_every_kind_run_in_an_actor(numbers: Runner) -> None:
    """Calls, coroutines, generators, asynchronous ones; in another process, small values and large arrays."""
    assert numbers.scale.run(np.arange(4)).tolist() == [0, 3, 6, 9]
    large = np.random.default_rng(0).random((1 << 15, 8))
    assert np.array_equal(numbers.scale.run(large), large * 3)
    assert numbers.later.run(5) == 15
    assert [item["number"] for item in numbers.count.run(12)] == list(range(12))
    assert list(numbers.count_later.run(12)) == list(range(12))
    process, _, own_thread = numbers.engine.seats[0].worker.run("where", (), {}, slot=0)
    assert process != os.getpid()
    assert own_thread


def test_calls_merge_before_they_travel(numbers: Runner) -> None:
    """The batching is Tiffin's, in the process of the callers: batches travel, and each caller gets its own rows."""

    async def call() -> list[Any]:
        rows = [np.array([[number, number]]) for number in range(64)]
        return await asyncio.gather(*(numbers.scale.async_run(row) for row in rows))

    answers = asyncio.run(call())
    assert [answer.tolist() for answer in answers] == [[[3 * number, 3 * number]] for number in range(64)]
    assert numbers.metrics()["methods"]["scale"]["batches"] < 40


def test_errors_come_back_as_from_a_process(numbers: Runner) -> None:
    """What a method raises, what it returns and cannot be sent, and what a stream raises after some items."""
    with pytest.raises(RemoteError, match="no such number"):
        numbers.fail.run()
    with pytest.raises(UnsendableError, match="result cannot be sent"):
        numbers.give_a_lock.run()
    items = numbers.count.run(30)
    assert [next(items)["number"] for _ in range(21)] == list(range(21))
    with pytest.raises(RemoteError, match="that is enough"):
        next(items)
    assert numbers.scale.run(np.arange(2)).tolist() == [0, 3]


def test_a_stream_that_is_closed_ends_and_frees_its_slot(numbers: Runner) -> None:
    """So that as many streams as there are slots can follow."""
    for _ in range(20):
        items = numbers.count_later.run(10**9)
        assert next(items) == 0
        items.close()
    assert list(numbers.count.run(2)) == [{"number": 0}, {"number": 1}]


def test_what_is_said_of_a_call_travels_with_it(numbers: Runner) -> None:
    """A method sees its caller's request id."""
    assert numbers.request.options(request_id="r-1").run() == "r-1"


def test_an_actor_that_dies_idle_is_replaced_before_the_next_call(numbers: Runner) -> None:
    """The call that comes next is answered, by another process."""
    process = numbers.where.run()[0]
    gone = threading.Event()
    numbers.engine.seats[0].worker._watched.future().add_done_callback(lambda _: gone.set())
    os.kill(process, signal.SIGKILL)
    assert gone.wait(60)
    assert numbers.scale.run(np.arange(2)).tolist() == [0, 3]
    assert numbers.where.run()[0] != process


def test_an_actor_that_dies_in_a_call_fails_this_call_only(numbers: Runner) -> None:
    """The error says what happened, and the runner goes on."""
    with pytest.raises(WorkerDiedError, match="ended while it ran 'end'"):
        numbers.end.run()
    assert numbers.scale.run(np.arange(2)).tolist() == [0, 3]


def test_a_method_that_hangs_is_given_up_with_its_actor(cluster: Any, environment: dict[str, Any]) -> None:
    """Within its timeout, and another actor takes over."""
    backend = RayBackend(actor_options=FEW, runtime_env=environment)
    with Runner(Numbers, backend=backend, method_configs={"sleep": {"timeout": 0.2}}) as runner:
        with pytest.raises(MethodTimeoutError):
            runner.sleep.run()
        assert runner.scale.run(np.arange(2)).tolist() == [0, 2]


def test_a_spare_takes_over_from_an_actor_that_died(cluster: Any, environment: dict[str, Any]) -> None:
    """It has loaded and waits, so nobody waits for that."""
    backend = RayBackend(actor_options=FEW, runtime_env=environment)
    with Runner(Numbers, backend=backend, spares=1) as runner:
        while not runner.metrics()["spares"]:
            runner.scale.run(np.arange(2))
        spare = runner.engine.spares._waiting[0][1]
        with pytest.raises(WorkerDiedError):
            runner.end.run()
        assert runner.scale.run(np.arange(2)).tolist() == [0, 2]
        assert runner.engine.seats[0].worker is spare


def test_a_runner_has_more_actors_while_calls_wait(cluster: Any, environment: dict[str, Any]) -> None:
    """And hands over to another runner, whose actors are others."""
    backend = RayBackend(actor_options=FEW, runtime_env=environment)
    rule = ScalingRule(wait=0.001, after=0.01, calm=3600, interval=0.01)
    runner = Runner(Numbers, backend=backend, workers=2, min_workers=1, max_batch_size=1, scaling=rule).start()
    assert runner.metrics()["workers"] == 1

    async def call() -> None:
        while runner.metrics()["workers"] < 2:
            await asyncio.gather(*(runner.scale.async_run(np.ones((1, 2))) for _ in range(64)))

    asyncio.run(call())
    other = Runner(Numbers, backend=backend, runnable_init_params={"factor": 5})
    with runner.hand_over(other):
        assert runner.scale.run(np.ones(2)).tolist() == [5, 5]


def test_each_worker_is_placed_where_it_belongs(cluster: Any, environment: dict[str, Any]) -> None:
    """Options may be a function of the worker; its thread counts arrive as environment variables."""

    def options(spec: WorkerSpec) -> dict[str, Any]:
        return {**FEW, "resources": {("near", "far")[spec.number]: 0.1}}

    backend = RayBackend(actor_options=options, runtime_env=environment)
    with Runner(Numbers, backend=backend, workers=2) as runner:
        nodes = {seat.worker.run("where", (), {}, slot=0)[1] for seat in runner.engine.seats}
        assert nodes == {node.node_id for node in cluster.list_all_nodes()}
        assert runner.variable.run("OMP_NUM_THREADS") == "1"


def test_a_node_that_leaves_takes_no_call_with_it_for_good(cluster: Any, environment: dict[str, Any]) -> None:
    """Its worker is replaced on another node; the other worker answers meanwhile."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    leaving = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()

    def options(spec: WorkerSpec) -> dict[str, Any]:
        node = leaving.node_id if spec.number else cluster.head_node.node_id
        return {**FEW, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)}

    backend = RayBackend(actor_options=options, runtime_env=environment)
    with Runner(Numbers, backend=backend, workers=2) as runner:
        first, second = runner.engine.seats
        gone = threading.Event()
        assert second.worker.run("where", (), {}, slot=0)[1] == leaving.node_id
        second.worker._watched.future().add_done_callback(lambda _: gone.set())
        cluster.remove_node(leaving)
        assert runner.scale.run(np.arange(2)).tolist() == [0, 2]
        assert gone.wait(120)
        while not (second.usable and second.worker.healthy):
            # Has the one that is gone replaced. A call by itself, so that this waits for what happens.
            runner.ready()
            with contextlib.suppress(WorkerDiedError):
                first.worker.run("where", (), {}, slot=0)
        assert second.worker.run("where", (), {}, slot=0)[1] != leaving.node_id


def test_a_worker_for_which_there_is_no_room_is_not_waited_for_longer_than_asked(cluster: Any) -> None:
    """The error says what it waits for; nothing of it stays."""
    runner = Runner(Numbers, name="large", backend=RayBackend(actor_options={"resources": {"nowhere": 1}}))
    with pytest.raises(RunnerNotReadyError, match="large-0 was not ready in time") as error:
        runner.start(timeout=1)
    assert "resources={'nowhere': 1}" in error.value.fix


@pytest.fixture
def pushed(store_home: Path, tmp_path: Path) -> str:
    """Save a model, push it, and return the remote's URL."""
    tiffin.save("doubler:1", Doubler(), signatures={"predict": {"batchable": True}})
    url = (tmp_path / "remote").as_uri()
    tiffin.models.push("doubler:1", url)
    return url


def elsewhere(tmp_path: Path) -> dict[str, Any]:
    """Return a runtime environment of a node with a store of its own."""
    return {"env_vars": {"TIFFIN_HOME": str(tmp_path / "node-home"), "PYTHONPATH": str(Path(__file__).parent)}}


def test_a_node_whose_store_lacks_the_model_pulls_it(cluster: Any, pushed: str, tmp_path: Path) -> None:
    """By its digest, into the store of the node, before the first call; it is trusted there as it is here."""
    model = tiffin.get("doubler:1")
    backend = RayBackend(actor_options=FEW, remote=pushed, runtime_env=elsewhere(tmp_path))
    spec = Runner(model.to_runnable(), backend=backend, models=[model]).engine._specs[0]
    references = backend.references_for(spec)
    backend.references_for = lambda spec: references  # type: ignore[method-assign]
    tiffin.models.delete("doubler:1", now=True)
    with Runner(model.to_runnable(), backend=backend, models=[model]) as runner:
        assert runner.predict.run(np.arange(3)).tolist() == [0, 2, 4]
    assert (tmp_path / "node-home" / "store" / "models" / "doubler" / "1").is_dir()


def test_a_runner_of_a_stored_model_needs_the_model_only_where_it_runs(
    cluster: Any, store_home: Path, tmp_path: Path
) -> None:
    """Without a remote, and in no store of the node, the error says so."""
    tiffin.save("doubler:1", Doubler(), signatures={"predict": {"batchable": True}})
    backend = RayBackend(actor_options=FEW, runtime_env=elsewhere(tmp_path))
    with tiffin.get("doubler:1").to_runner(
        backend=backend
    ) as runner:  # the store that it comes from is on this machine
        assert runner.predict.run(np.arange(3)).tolist() == [0, 2, 4]
    references = [tiffin.models.reference("doubler:1")]
    backend.references_for = lambda spec: references  # type: ignore[method-assign]
    runner = tiffin.get("doubler:1").to_runner(backend=backend)
    tiffin.models.delete("doubler:1", now=True)
    with pytest.raises(ModelNotFoundError, match="is not in the store of this process"):
        runner.start()

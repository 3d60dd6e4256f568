"""Spare workers: one that dies is replaced by one that has loaded the model already."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from process_support import by_value, wait_until_gone
from tiffin.exceptions import RunnerOptionError
from tiffin.runners import Runnable, Runner

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")

travels = by_value(__name__)


class Model(Runnable):
    def __init__(self, folder: str) -> None:
        self.warm = 0
        (Path(folder) / str(os.getpid())).touch()

    @Runnable.method
    def pid(self) -> int:
        return os.getpid()

    @Runnable.method
    def warm_up(self) -> None:
        self.warm += 1

    @Runnable.method
    def was_warmed(self) -> int:
        return self.warm


def make(folder: Path, **options: Any) -> Runner:
    return Runner(
        Model,
        backend="process",
        runnable_init_params={"folder": str(folder)},
        warm_up={"warm_up": ()},
        **options,
    )


def wait_for_spares(runner: Runner, number: int) -> None:
    while runner.metrics()["spares"] != number:
        os.sched_yield()


def started(folder: Path) -> set[int]:
    """Return the processes that have loaded the model."""
    return {int(entry.name) for entry in folder.iterdir()}


def test_a_killed_workers_place_is_taken_by_a_spare_and_another_one_is_made(tmp_path: Path) -> None:
    """The next call is answered by a process that had loaded the model and was warmed up before the death."""
    with make(tmp_path, spares=1) as runner:
        for _ in range(2):
            wait_for_spares(runner, 1)
            working, before = runner.pid.run(), started(tmp_path)
            os.kill(working, signal.SIGKILL)
            replacing = runner.pid.run()
            assert replacing != working
            assert replacing in before
            assert runner.was_warmed.run() == 1
        wait_for_spares(runner, 1)
        assert len(started(tmp_path)) == 4


def test_spares_end_with_their_runner(tmp_path: Path) -> None:
    """Those that wait, and the one that is being made at that moment."""
    runner = make(tmp_path, spares=2).start()
    while not runner.metrics()["spares"]:
        os.sched_yield()
    descriptors = [os.pidfd_open(pid) for pid in started(tmp_path)]
    runner.stop()
    assert len(descriptors) >= 2
    assert [wait_until_gone(descriptor) for descriptor in descriptors] == [True] * len(descriptors)
    assert runner.metrics()["spares"] == 0


def test_a_spare_that_has_died_is_passed_over(tmp_path: Path) -> None:
    """A new worker is started then, as without spares."""
    with make(tmp_path, spares=1) as runner:
        wait_for_spares(runner, 1)
        working = runner.pid.run()
        (spare,) = started(tmp_path) - {working}
        gone = os.pidfd_open(spare)
        os.kill(spare, signal.SIGKILL)
        assert wait_until_gone(gone)
        os.kill(working, signal.SIGKILL)
        assert runner.pid.run() not in (working, spare)
        wait_for_spares(runner, 1)


def test_a_spare_takes_the_place_of_a_worker_with_the_same_environment_only(tmp_path: Path) -> None:
    """A worker that is to see another GPU is started anew."""

    def by_index(index: int, workers: int, processors: int, runnable_class: type) -> Mapping[str, str]:
        return {"PLACE": str(index)}

    with make(tmp_path, spares=1, workers=2, resources=by_index) as runner:
        wait_for_spares(runner, 1)
        first, second = runner.engine.seats
        assert runner.engine.spares.take(second.spec) is None
        assert runner.metrics()["spares"] == 1
        taken = runner.engine.spares.take(first.spec)
        assert taken is not None
        taken.kill()
        taken.close(0)


@pytest.mark.parametrize("options", [{"spares": 1}, {"spares": -1, "backend": "process"}, {"spares": "two"}])
def test_spares_that_cannot_be_are_refused(options: Any) -> None:
    """Workers in this process die with it; and it is a number."""
    with pytest.raises(RunnerOptionError, match="spares="):
        Runner(Model, **options)

"""What a worker leaves when it is killed: neither processes nor shared memory, that of its own methods included."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import pytest

from process_support import by_value, start_python, wait_until_gone
from tiffin.calls import MethodTraits, WorkerSpec
from tiffin.exceptions import RunnerError
from tiffin.runners import ProcessBackend

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


_by_value = by_value(__name__)


class Model:
    """Uses shared memory of its own."""

    def share(self) -> tuple[str, int]:
        """Return the name of new shared memory, and the process that is to unlink it if this one cannot."""
        self.memory = SharedMemory(create=True, size=4096)
        return self.memory.name, int(resource_tracker._resource_tracker._pid)  # type: ignore[attr-defined]

    def wait(self) -> None:
        """Never return."""
        signal.pause()

    def memmap(self, told: str) -> None:
        """Hand an array to other processes through a file in /dev/shm, and hang there."""
        import joblib  # type: ignore[import-untyped]
        import numpy

        joblib.Parallel(n_jobs=2, max_nbytes=1)(joblib.delayed(_tell)(numpy.ones(1000), told) for _ in range(2))


def _tell(array: Any, told: str) -> None:
    with Path(told).open("w") as pipe:
        pipe.write(f"{array.filename} {os.getpid()}\n")
    signal.pause()


METHODS = {name: MethodTraits() for name in ("share", "wait", "memmap")}


def time_out(worker: Any) -> None:
    with pytest.raises(RunnerError):
        worker.run("wait", (), {}, timeout=0.05)
    worker.kill()


def killed_by_others(worker: Any) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(RunnerError):
        worker.run("wait", (), {})


ENDS: dict[str, Callable[[Any], None]] = {
    "killed": lambda worker: worker.kill(),
    "hung": time_out,
    "killed by others": killed_by_others,
    "closed": lambda worker: worker.close(20),
}


@pytest.mark.parametrize("end", ENDS)
def test_shared_memory_of_a_method_does_not_outlive_its_worker(end: str) -> None:
    """However the worker ends: what its methods have put into /dev/shm is unlinked."""
    worker = ProcessBackend().create_worker(WorkerSpec("model-0", Model, {}, METHODS))
    worker.start(60)
    try:
        name, tracker = worker.run("share", (), {})
        assert Path("/dev/shm", name).exists()
        watched = os.pidfd_open(tracker)
        ENDS[end](worker)
        assert wait_until_gone(watched)
        assert not Path("/dev/shm", name).exists()
    finally:
        worker.kill()
        worker.close(0)


def test_arrays_that_a_method_shares_by_files_do_not_outlive_its_worker(tmp_path: Path) -> None:
    """A worker killed in the middle of parallel work leaves neither its processes nor the files between them."""
    pytest.importorskip("joblib")
    os.mkfifo(tmp_path / "told")
    worker: Any = ProcessBackend().create_worker(WorkerSpec("model-0", Model, {}, METHODS))
    worker.start(60)
    try:
        with pytest.raises(RunnerError):
            worker.run("memmap", (str(tmp_path / "told"),), {}, timeout=0.001)
        with (tmp_path / "told").open() as pipe:
            file, process = pipe.readline().split()
        assert Path(file).exists()
        watched = os.pidfd_open(int(process))
        trackers = [os.pidfd_open(found) for found in trackers_of(worker.pid)]
        worker.kill()
        assert wait_until_gone(watched)
        assert trackers
        assert all(wait_until_gone(tracker) for tracker in trackers)
        assert not Path(file).parent.exists()
    finally:
        worker.kill()
        worker.close(0)


def trackers_of(group: int) -> list[int]:
    """Return the resource trackers of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group and b"resource_tracker" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


PARENT = """
import signal, sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
import tiffin

class Model(tiffin.Runnable):
    @tiffin.Runnable.method
    def share(self):
        self.memory = SharedMemory(create=True, size=4096)
        return self.memory.name, resource_tracker._resource_tracker._pid

runner = tiffin.Runner(Model, backend="process").start()
print(*runner.share.run(), flush=True)
if sys.argv[1] == "killed":
    signal.pause()
"""


@pytest.mark.parametrize("end", ["killed", "ended"])
def test_shared_memory_of_a_method_does_not_outlive_the_program(end: str) -> None:
    """A program that is killed, or ends without stopping its runner, leaves nothing in /dev/shm."""
    parent = start_python(PARENT, end)
    try:
        assert parent.stdout is not None
        name, tracker = parent.stdout.readline().split()
        watched = os.pidfd_open(int(tracker))
        if end == "killed":
            assert Path("/dev/shm", name).exists()
            parent.kill()
        parent.wait(20)
        assert wait_until_gone(watched)
        assert not Path("/dev/shm", name).exists()
    finally:
        parent.kill()
        parent.communicate()

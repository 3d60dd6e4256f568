"""Measure a worker process: large arrays against numpy.copyto, and attached clients. Small calls are against.py's.

Every figure is the best (or the median, where it says so) of many, and what is compared runs in turns, so that what else
the machine does strikes both. Run it alone: `python benchmarks/process.py`, `--quick` for less, `--crossover` for the size
from which on shared memory pays.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tiffin.calls import CallOptions, CallRequest, MethodTraits, Outcome, WorkerSpec
from tiffin.runners import available_processors, share_resources
from tiffin.sharing import Listener
from tiffin.sharing._attach import AttachedService
from tiffin.wire import _channel
from tiffin.workers._worker_process import ProcessBackend, ProcessWorker

MIB = 1 << 20


class Model:
    """Methods that cost nothing of their own, and one that touches every byte."""

    def same(self, x: Any) -> Any:
        """Return what came."""
        return x

    def plus_one(self, x: Any) -> Any:
        """Return the array plus one."""
        return x + 1


METHODS = {"same": MethodTraits(), "plus_one": MethodTraits()}


def start(model: type = Model, **options: Any) -> ProcessWorker:
    environment = share_resources(0, 1, available_processors(), model)
    worker = ProcessBackend(**options).create_worker(WorkerSpec("bench-0", model, {}, METHODS, environment=environment))
    assert isinstance(worker, ProcessWorker)
    worker.start(60)
    return worker


def timed(function: Callable[[], Any]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def large(megabytes: int, times: int) -> None:
    array = np.random.default_rng(0).random(megabytes * MIB // 8)
    target = np.empty_like(array)
    for name, options in (("shared memory", {}), ("socket", {"shared_memory": 0})):
        worker = start(**options)
        copies, trips = [], []
        for _ in range(times):
            copies.append(timed(lambda: np.copyto(target, array)))
            trips.append(timed(lambda worker=worker: worker.run("plus_one", (array,), {})))  # type: ignore[misc]
        best, copy = min(trips), min(copies)
        print(
            f"{megabytes} MiB there, +1, back by {name}: best {best * 1e3:.1f} ms, median "
            f"{statistics.median(trips) * 1e3:.1f} ms; copyto {copy * 1e3:.1f} ms: {copy / best:.0%} of its speed"
        )
        worker.close(20)


class EagerModel(Model):
    """Sends everything from 4 KiB on through shared memory."""

    def __init__(self) -> None:
        _channel.THRESHOLD = 4096


def crossover(times: int) -> None:
    shared, plain = start(EagerModel), start(shared_memory=0)
    _channel.THRESHOLD = 4096
    for size in (1 << power for power in range(13, 23)):
        array = np.zeros(size // 8)
        trips: dict[str, list[float]] = {"shared memory": [], "socket": []}
        for _ in range(times):
            trips["shared memory"].append(timed(lambda array=array: shared.run("same", (array,), {})))  # type: ignore[misc]
            trips["socket"].append(timed(lambda array=array: plain.run("same", (array,), {})))  # type: ignore[misc]
        figures = ", ".join(f"{name} {statistics.median(some) * 1e6:5.0f} us" for name, some in trips.items())
        print(f"{size // 1024:5} KiB there and back, median: {figures}")
    shared.close(20)
    plain.close(20)


class Echo:
    """A service that answers each submission at once, in its own thread, as one batch."""

    def describe(self) -> dict[str, Any]:
        return {"name": "echo", "methods": {}, "default": None}

    def open_port(self, deliver: Callable[[list[Outcome]], None]) -> Any:
        class Port:
            def submit(self, requests: list[CallRequest]) -> None:
                deliver([Outcome(request.token, request.args[0]) for request in requests])

            def cancel(self, tokens: list[Any]) -> None:
                pass

            def request_items(self, token: Any, count: int) -> None:
                pass

            def close(self) -> None:
                pass

        return Port()


def attached(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(Echo(), Path(folder) / "own" / "socket")  # type: ignore[arg-type]
        service = AttachedService(listener.address)
        done = threading.Semaphore(0)
        port = service.open_port(lambda outcomes: done.release(len(outcomes)))
        row, options = np.zeros((1, 64)), CallOptions()

        def call(count: int) -> None:
            port.submit([CallRequest(token, "same", (row,), {}, options) for token in range(count)])
            for _ in range(count):
                done.acquire()

        single = [timed(lambda: call(1)) for _ in range(calls)]
        began = time.process_time()
        many = min(timed(lambda: call(64)) for _ in range(calls))
        cpu = (time.process_time() - began) / calls / 64
        print(
            f"attached: one call at a time median {statistics.median(single) * 1e6:.0f} us; "
            f"64 at a time {many / 64 * 1e6:.1f} us a call, CPU of client and server {cpu * 1e6:.1f} us a call"
        )
        service.close()
        listener.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--crossover", action="store_true", help="measure from which size on shared memory pays")
    options = parser.parse_args()
    if options.crossover:
        crossover(100 if options.quick else 500)
        return
    for megabytes in (1, 16, 64):
        large(megabytes, 8 if options.quick else 30)
    attached(200 if options.quick else 2000)


if __name__ == "__main__":
    main()

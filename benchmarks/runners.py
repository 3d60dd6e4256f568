"""Runners with worker processes and attached clients: what a call costs, what clients reach, what overload does.

    python benchmarks/runners.py [--only single,array,attached,clients,overload] [--rounds 5]

Runs in the environment that benchmarks/batching.py makes. Callers are outside the worker: on one machine with few cores
they still take their share of the processors, so look at ratios in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import statistics
import tempfile
import time

import batching

if __name__ == "__main__" and not batching.inside():
    batching.prepare_environment(__file__)

import numpy

from tiffin.exceptions import LatencyLimitError
from tiffin.runners import Runnable, Runner

MIB = 1 << 20


class Nothing(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, x):
        return x

    @Runnable.method
    def add_one(self, x):
        x += 1
        return x


class Forest(Runnable):
    """M2: a random forest on digits."""

    def __init__(self):
        self.model, _ = make_forest()

    @Runnable.method(batchable=True)
    def predict(self, x):
        return self.model(x)


def make_model(wanted):
    """Return a model's predict, and rows."""
    for name, function, x in batching.models():
        if name == wanted:
            return function, x
    raise LookupError(wanted)


def make_forest():
    """Return M2's predict, and rows."""
    return make_model("M2")


def single(rounds):
    """Print what one caller pays for a row that goes to a worker process and comes back."""
    x = numpy.ones((1, 4))
    with Runner(Nothing, backend="process") as runner, tempfile.TemporaryDirectory() as folder:
        address = runner.listen(f"{folder}/private/socket")
        with Runner.attach(address) as attached:
            subjects = {
                "run": runner.predict.run,
                "attached run": attached.predict.run,
            }
            times = {name: [] for name in (*subjects, "async_run")}
            for _ in range(rounds):
                for name, call in subjects.items():
                    for _ in range(300):
                        start = time.perf_counter()
                        call(x)
                        times[name].append(time.perf_counter() - start)

                async def calls():
                    for _ in range(300):
                        start = time.perf_counter()
                        await runner.predict.async_run(x)
                        times["async_run"].append(time.perf_counter() - start)

                asyncio.run(calls())
    print("\nOne caller, a row of four to a worker process and back (µs: median, 95th percentile)")
    for name, values in times.items():
        values.sort()
        print(f"  {name:18}{statistics.median(values) * 1e6:10.1f}{values[int(len(values) * 0.95)] * 1e6:10.1f}")


def array(rounds):
    """Print how fast 64 MiB go to a worker, are changed there, and come back."""
    x = numpy.ones(64 * MIB // 8)
    target = numpy.empty_like(x)
    numpy.copyto(target, x)
    copied, sent = [], []
    with Runner(Nothing, backend="process") as runner:
        for _ in range(rounds * 3):
            start = time.perf_counter()
            numpy.copyto(target, x)
            copied.append(time.perf_counter() - start)
            start = time.perf_counter()
            result = runner.add_one.run(x)
            sent.append(time.perf_counter() - start)
            assert result[0] == 2
            assert result[-1] == 2
            del result
    print("\n64 MiB to a worker, plus one, and back (best of the rounds)")
    print(f"  numpy.copyto{min(copied) * 1e3:10.1f} ms")
    print(f"  there and back{min(sent) * 1e3:8.1f} ms    {min(copied) / min(sent):.0%} of copyto")


class Regression(Runnable):
    """M1: logistic regression on iris."""

    def __init__(self):
        self.model, _ = make_model("M1")

    @Runnable.method(batchable=True)
    def predict(self, x):
        return self.model(x)


def attached(rounds):
    """Print what 128 callers in one event loop reach through a socket, against a runner in their process.

    The runner that listens is in a process of its own, as behind a server.
    """
    _, x = make_model("M1")
    rows = [x[number : number + 1].copy() for number in range(len(x))]
    context = multiprocessing.get_context("spawn")
    reached = {"local": [], "attached": []}
    with tempfile.TemporaryDirectory() as folder, Runner(Regression) as runner:
        address = f"unix:{folder}/private/socket"
        ready, end = context.Event(), context.Event()
        host = context.Process(target=listen, args=(address, ready, end))
        host.start()
        try:
            assert ready.wait(60)
            with Runner.attach(address) as away:
                calls = {"local": runner.predict.async_run, "attached": away.predict.async_run}
                for _ in range(rounds):
                    for name, call in calls.items():
                        asyncio.run(batching.measure(call, rows, 128, 0.3))
                        reached[name].append(asyncio.run(batching.measure(call, rows, 128, 1.0))[0])
        finally:
            end.set()
            host.join()
    paired = statistics.median(a / b for a, b in zip(reached["attached"], reached["local"], strict=True))
    print("\nM1, 128 callers in one event loop (calls/s)")
    for name, values in reached.items():
        print(f"  {name:10}{max(values):10.0f}    {max(values) / max(reached['local']):.0%}")
    print(f"  median of attached in its round: {paired:.0%}")


def listen(address, ready, end):
    """Run M1 for other processes."""
    with Runner(Regression) as runner:
        runner.listen(address)
        ready.set()
        end.wait()


def client(address, callers, seconds, start, results):
    """Call from a process of its own, with so many callers in one event loop."""
    _, x = make_forest()
    rows = [x[number : number + 1].copy() for number in range(len(x))]

    async def calls():
        with Runner.attach(address) as runner:
            await batching.measure(runner.predict.async_run, rows, callers, 0.3)
            start.wait()
            results.put((await batching.measure(runner.predict.async_run, rows, callers, seconds))[0])

    asyncio.run(calls())


def clients(rounds):
    """Print what four client processes reach, against callers in the runner's own process."""
    _, x = make_forest()
    rows = [x[number : number + 1].copy() for number in range(len(x))]
    context = multiprocessing.get_context("spawn")
    reached: dict[tuple[int, str], list[float]] = {}
    sizes: dict[tuple[int, str], list[float]] = {}
    inside = []
    for _ in range(rounds):
        with Runner(Forest) as runner:

            async def measure(call=runner.predict.async_run):
                await batching.measure(call, rows, 256, 0.3)
                return await batching.measure(call, rows, 256, 1.5)

            inside.append(asyncio.run(measure())[0])
        for number, backend in ((1, "local"), (4, "local"), (1, "process"), (4, "process")):
            with Runner(Forest, backend=backend) as runner, tempfile.TemporaryDirectory() as folder:
                address = runner.listen(f"{folder}/private/socket")
                start, results = context.Barrier(number), context.Queue()
                share = (address, 256 // number, 1.5, start, results)
                processes = [context.Process(target=client, args=share) for _ in range(number)]
                for process in processes:
                    process.start()
                reached.setdefault((number, backend), []).append(sum(results.get() for _ in processes))
                for process in processes:
                    process.join()
                counters = runner.metrics()["methods"]["predict"]
                sizes.setdefault((number, backend), []).append(counters["rows"] / counters["batches"])
    print("\nM2, 256 callers in one client process and in four, against as many in the runner's process (calls/s)")
    print(f"  in process         {max(inside):10.0f}")
    for (number, backend), values in reached.items():
        paired = statistics.median(a / b for a, b in zip(values, inside, strict=True))
        of_one = statistics.median(a / b for a, b in zip(values, reached[1, backend], strict=True))
        print(
            f"  {number} clients, {backend:8}{max(values):10.0f}    {max(values) / max(inside):.0%} (median {paired:.0%}, "
            f"of one client {of_one:.0%}), mean batch {max(sizes[number, backend]):.0f}"
        )


async def open_loop(runner, rows, rate, seconds):
    """Send calls at a rate, whatever becomes of them; return the latencies of those answered, and how many were refused."""
    latencies, refused, tasks = [], 0, set()

    async def call(x):
        nonlocal refused
        start = time.perf_counter()
        try:
            await runner.predict.async_run(x)
            latencies.append(time.perf_counter() - start)
        except LatencyLimitError:
            refused += 1

    # What the callers' program has imported is not the subject: every full collection of it stops all threads.
    gc.collect()
    gc.freeze()
    begin, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - begin) < seconds:
        for number in range(sent, int(now * rate)):
            task = asyncio.ensure_future(call(rows[number % len(rows)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent = max(sent, int(now * rate))
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    return latencies, refused, sent


def overload(rounds):
    """Print what is answered in time at twice the capacity."""
    _, x = make_forest()
    rows = [x[number : number + 1].copy() for number in range(len(x))]
    with Runner(Forest, backend="process") as runner:

        async def peak():
            await batching.measure(runner.predict.async_run, rows, 256, 0.5)
            return await batching.measure(runner.predict.async_run, rows, 256, 2.0)

        capacity = max(asyncio.run(peak())[0] for _ in range(2))
    print(f"\nM2, process back end, open loop at twice capacity ({capacity:.0f}/s), max_latency_ms=100")
    for _ in range(rounds):
        with Runner(Forest, backend="process", max_latency_ms=100) as runner:

            async def load(runner=runner):
                await batching.measure(runner.predict.async_run, rows, 64, 0.5)
                return await open_loop(runner, rows, 2 * capacity, 4.0)

            latencies, refused, sent = asyncio.run(load())
        latencies.sort()
        in_time = sum(latency <= 0.1 for latency in latencies) / 4.0
        p99 = latencies[int(len(latencies) * 0.99)] * 1e3
        print(
            f"  sent {sent / 4.0:.0f}/s, in time {in_time:.0f}/s ({in_time / capacity:.0%} of peak), "
            f"refused {refused / 4.0:.0f}/s, p99 {p99:.0f} ms"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="single,array,attached,clients,overload")
    options = parser.parse_args()
    for name in options.only.split(","):
        known = {"single": single, "array": array, "attached": attached, "clients": clients, "overload": overload}
        known[name](options.rounds)


if __name__ == "__main__":
    main()

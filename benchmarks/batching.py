"""Batching in one process, against the bare model, a 40-line batcher, run_in_executor, CorkDispatcher and `batched`.

    python benchmarks/batching.py [--rounds 7] [--seconds 0.5] [--only M1,M2]
    python benchmarks/batching.py --plot docs/_static/batching.svg

The peers are installed into an environment of the benchmark's own (benchmarks/.envs, ignored by git), and everything runs
there, in one process and one event loop, in turns. What is printed is the best of all rounds, the CPU time of a call in
that round, and the ratio to the 40-line batcher, from the same run: machines differ, ratios much less. What one call costs,
and whether it was less in another commit, is for against.py.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import environments

PEERS = ["bentoml", "batched", "scikit-learn", "uvloop", "pandas"]
# Tiffin itself comes from the checkout; these are what it depends on.
PACKAGES = [*PEERS, "attrs", "click", "cloudpickle", "importlib-metadata", "numpy", "pluggy", "PyYAML", "rich"]
MAX_BATCH_SIZE = 100


class FortyLines:
    """The least that batches: goes at once when the model is free, gathers while it is busy."""

    def __init__(self, function, size):
        self.function, self.size = function, size
        self.queue = deque()
        self.busy = False
        self.executor = ThreadPoolExecutor(1)

    async def __call__(self, x):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.queue.append((x, future))
        if not self.busy:
            self.busy = True
            self.task = loop.create_task(self.work(loop))
        return await future

    async def work(self, loop):
        while self.queue:
            batch, rows = [], 0
            while self.queue and rows + len(self.queue[0][0]) <= self.size:
                batch.append(self.queue.popleft())
                rows += len(batch[-1][0])
            try:
                inputs = [x for x, _ in batch]
                results = await loop.run_in_executor(self.executor, self.run, inputs)
            except Exception as error:  # noqa: BLE001
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            start = 0
            for x, future in batch:
                stop = start + len(x)
                if not future.done():
                    future.set_result(results[start:stop])
                start = stop
        self.busy = False

    def run(self, inputs):
        import numpy

        return self.function(numpy.concatenate(inputs))


def prepare_environment(program):
    """Make the environment with the peers, once, and run this program in it, with Tiffin from the checkout."""
    python = str(environments.peer("batching", *PACKAGES))
    source = str(environments.ROOT / "core" / "src")
    variables = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "true"}
    os.execve(python, [python, program, *sys.argv[1:]], variables)


def inside():
    """Return whether this program runs in that environment."""
    return Path(sys.prefix).resolve() == (environments.ENVIRONMENTS / "batching").resolve()


def models():
    """Return name, function and rows of both models."""
    from sklearn.datasets import load_digits, load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    yield "M1", LogisticRegression(max_iter=500).fit(x, y).predict, x
    x, y = load_digits(return_X_y=True)
    yield "M2", RandomForestClassifier(100, random_state=0).fit(x, y).predict, x


def subjects(function, *, peers=True):
    """Return name -> (async function of one call, function that ends it)."""
    from tiffin.runners import Runnable, Runner

    class Model(Runnable):
        @Runnable.method(batchable=True)
        def predict(self, x):
            return function(x)

    runner = Runner(Model, max_batch_size=MAX_BATCH_SIZE).start()
    baseline = FortyLines(function, MAX_BATCH_SIZE)
    found = {
        "tiffin": (runner.predict.async_run, runner.stop),
        "40 lines": (baseline, baseline.executor.shutdown),
    }
    if not peers:
        return found
    found["CorkDispatcher"] = cork(function)
    found["batched"] = batched_peer(function)
    executor = ThreadPoolExecutor(1)

    async def alone(x):
        return await asyncio.get_running_loop().run_in_executor(executor, function, x)

    found["run_in_executor"] = (alone, executor.shutdown)
    return found


def cork(function):
    """Return BentoML's dispatcher around the function."""
    import numpy
    from bentoml._internal.marshal.dispatcher import CorkDispatcher

    dispatcher = CorkDispatcher(10_000, MAX_BATCH_SIZE, fallback=lambda: None, get_batch_size=len)

    def run(inputs):
        results = function(numpy.concatenate(inputs))
        stops = numpy.cumsum([len(x) for x in inputs])
        return numpy.split(results, stops[:-1])

    return dispatcher(run), dispatcher.shutdown


def batched_peer(function):
    """Return `batched.dynamically` around the function; it takes single items."""
    import batched
    import numpy

    run = batched.dynamically(
        lambda items: list(function(numpy.concatenate(items))), batch_size=MAX_BATCH_SIZE, timeout_ms=5.0
    )

    async def call(x):
        return await run.acall(x)

    return call, lambda: None


async def measure(call, rows, callers, seconds):
    """Return calls a second and CPU seconds a call, with so many callers that each wait for their answers."""
    end = time.perf_counter() + seconds
    count = 0

    async def caller(number):
        nonlocal count
        x = rows[number % len(rows)]
        while time.perf_counter() < end:
            for _ in range(4):
                await call(x)
            count += 4

    cpu, start = time.process_time(), time.perf_counter()
    await asyncio.gather(*[caller(number) for number in range(callers)])
    elapsed = time.perf_counter() - start
    return count / elapsed, (time.process_time() - cpu) / count


async def compare(name, function, x, callers, rounds, seconds):
    """Measure all subjects in turns, and print what came out."""
    rows = [x[number : number + 1].copy() for number in range(len(x))]
    found = subjects(function)
    if callers > 64:
        found.pop("run_in_executor", None)
    results = {subject: [] for subject in found}
    for call, _ in found.values():
        await measure(call, rows, callers, 0.3)
    for _ in range(rounds):
        for subject, (call, _) in found.items():
            results[subject].append(await measure(call, rows, callers, seconds))
    best = {subject: max(values) for subject, values in results.items()}
    bare = max(timeit(function, x[:MAX_BATCH_SIZE], 0.2) for _ in range(3)) * MAX_BATCH_SIZE
    print(f"\n{name}, {callers} callers of one row each ({rounds} rounds of {seconds} s, in turns)")
    print(f"  {'':18}{'calls/s':>10}{'CPU µs':>9}{'of 40 lines':>13}{'median':>8}")
    for subject, (rate, cpu) in best.items():
        ratio = rate / best["40 lines"][0]
        paired = statistics.median(a[0] / b[0] for a, b in zip(results[subject], results["40 lines"], strict=True))
        print(f"  {subject:18}{rate:10.0f}{cpu * 1e6:9.1f}{ratio:13.2f}{paired:8.2f}")
    print(f"  {'bare model, 100':18}{bare:10.0f}")
    for _, end in found.values():
        end()
    return best


async def plot(target, wanted, rounds, seconds):
    """Measure from 1 to 256 callers, and draw throughput and latency as shares of the bare model's."""
    from measuring import curves

    titles = {"M1": "Logistic regression, iris", "M2": "Random forest, digits"}
    found = {}
    for name, function, x in models():
        if name not in wanted:
            continue
        rows = [x[number : number + 1].copy() for number in range(len(x))]
        peers = subjects(function)
        print(
            f"\n{titles[name]}: share of the bare model's throughput (latency in full batches: median, 99th percentile)"
        )
        found[titles[name]] = await curves.sweep(
            {peer: call for peer, (call, _) in peers.items()},
            rows,
            [1, 2, 4, 8, 16, 32, 64, 128, 256],
            lambda function=function, x=x: timeit(function, x[:MAX_BATCH_SIZE], 0.2),
            size=MAX_BATCH_SIZE,
            rounds=rounds,
            seconds=seconds,
        )
        for _, end in peers.values():
            end()
    curves.draw(found, target)
    print(f"\nDrawn into {target}")


def timeit(function, x, seconds):
    """Return calls of the bare function a second."""
    end = time.perf_counter() + seconds
    start, count = time.perf_counter(), 0
    while time.perf_counter() < end:
        function(x)
        count += 1
    return count / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--callers", default="1,64,256")
    parser.add_argument("--only", default="M1,M2")
    parser.add_argument("--uvloop", action="store_true", help="use uvloop instead of asyncio's own loop")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="measure curves against callers, and draw them")
    options = parser.parse_args()
    wanted = options.only.split(",")

    async def everything():
        if options.plot:
            await plot(options.plot, wanted, options.rounds, options.seconds)
            return
        for name, function, x in models():
            if name in wanted:
                for callers in map(int, options.callers.split(",")):
                    await compare(name, function, x, callers, options.rounds, options.seconds)

    if options.uvloop:
        import uvloop

        uvloop.run(everything())
    else:
        asyncio.run(everything())


if __name__ == "__main__":
    if not inside():
        prepare_environment(__file__)
    main()

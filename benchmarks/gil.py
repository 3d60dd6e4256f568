"""What other threads of a process do to a model that runs in it, and what a worker process changes.

Usage: python benchmarks/gil.py [--rounds 5]

First the time of one batch: alone, beside a thread that runs Python code without a pause, and the same with the model in a
worker process. Then twice as many calls as can be answered, from the runner's own process, with the model in that process
and in a worker. Runs in the environment that benchmarks/batching.py makes; look at the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time

import batching

if __name__ == "__main__" and not batching.inside():
    batching.prepare_environment(__file__)

import runners

from tiffin.runners import Runner


def batch_seconds(call, x):
    """Return the median of the seconds of some calls."""
    taken = []
    for _ in range(15):
        start = time.perf_counter()
        call(x)
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


def beside(call, x):
    """Return the same beside a thread that spins in Python."""
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        return batch_seconds(call, x)
    finally:
        stop.set()
        thread.join()


def batches(rounds):
    """Print how long one batch takes, with and without company."""
    _, x = runners.make_forest()
    x = x[: batching.MAX_BATCH_SIZE].copy()
    found = {}
    with Runner(runners.Forest) as local, Runner(runners.Forest, backend="process") as process:
        for _ in range(rounds):
            for name, runner in (("in this process", local), ("in a worker process", process)):
                alone, company = found.setdefault(name, ([], []))
                alone.append(batch_seconds(runner.predict.run, x))
                company.append(beside(runner.predict.run, x))
    print("\nOne batch of 100 rows, random forest (best of the rounds' medians)")
    for name, (alone, company) in found.items():
        print(
            f"  {name:20} alone {min(alone) * 1e3:6.1f} ms   beside a spinning thread {min(company) * 1e3:6.1f} ms   "
            f"{min(company) / min(alone):5.1f} times"
        )


def overload(rounds):
    """Print what is answered in time at twice the capacity, by both back ends."""
    _, x = runners.make_forest()
    rows = [x[number : number + 1].copy() for number in range(len(x))]
    print("\nRandom forest, twice as many calls as can be answered, max_latency_ms=100 (best of the rounds)")
    best = {}
    for _ in range(rounds):
        for backend in ("local", "process"):
            with Runner(runners.Forest, backend=backend) as runner:

                async def peak(runner=runner):
                    await batching.measure(runner.predict.async_run, rows, 256, 0.3)
                    return await batching.measure(runner.predict.async_run, rows, 256, 1.5)

                capacity = asyncio.run(peak())[0]
            with Runner(runners.Forest, backend=backend, max_latency_ms=100) as runner:

                async def load(runner=runner, rate=2 * capacity):
                    await batching.measure(runner.predict.async_run, rows, 64, 0.5)
                    return await runners.open_loop(runner, rows, rate, 3.0)

                latencies, _, _ = asyncio.run(load())
            in_time = sum(latency <= 0.1 for latency in latencies) / 3.0
            best[backend] = max(best.get(backend, 0.0), in_time / capacity)
    for backend, share in best.items():
        print(f"  {backend:20} {share:.0%} of the most that it answers otherwise, in time")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    batches(options.rounds)
    overload(options.rounds)


if __name__ == "__main__":
    main()

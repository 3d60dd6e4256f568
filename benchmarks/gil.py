"""What other threads of a process do to a model that runs in it, and what a worker process changes.

Usage: python benchmarks/gil.py [--rounds 5]

The time of one batch: alone, beside a thread that runs Python code without a pause, and the same with the model in a worker
process. Runs in the environment that benchmarks/batching.py makes; look at the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time

import batching

if __name__ == "__main__" and not batching.inside():
    batching.prepare_environment(__file__)

import runners

from tiffin.runners import Runnable, Runner


class Timed(runners.Forest):
    """A random forest that says how long it took, and so leaves out the way to it and back."""

    @Runnable.method
    def seconds(self, x):
        start = time.perf_counter()
        self.model(x)
        return time.perf_counter() - start


def median_of(call, x):
    """Return the median of the seconds that a call returns."""
    return statistics.median(call(x) for _ in range(15))


def beside(call, x):
    """Return the same beside a thread that spins in Python."""
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        return median_of(call, x)
    finally:
        stop.set()
        thread.join()


def batches(rounds):
    """Print how long the model takes for one batch, with and without company."""
    _, x = runners.make_forest()
    x = x[: batching.MAX_BATCH_SIZE].copy()
    found = {}
    with Runner(Timed) as local, Runner(Timed, backend="process") as process:
        for _ in range(rounds):
            for name, runner in (("in this process", local), ("in a worker process", process)):
                alone, company = found.setdefault(name, ([], []))
                alone.append(median_of(runner.seconds.run, x))
                company.append(beside(runner.seconds.run, x))
    print("\nOne batch of 100 rows, random forest (best of the rounds' medians, measured around the model itself)")
    for name, (alone, company) in found.items():
        print(
            f"  {name:20} alone {min(alone) * 1e3:6.1f} ms   beside a spinning thread {min(company) * 1e3:6.1f} ms   "
            f"{min(company) / min(alone):5.1f} times"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    batches(options.rounds)


if __name__ == "__main__":
    main()

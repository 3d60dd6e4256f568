"""Measure runners on Ray against `ray.serve.batch` and worker processes, and `as_udf` in Ray Data against a class by hand.

Run: python benchmarks/on_ray.py [--seconds 5] [--rounds 2] [--callers 64] [--loops 4] [--only serve calls data]

A forest of 100 trees on digits (M2), one row a call, so many event loops of so many callers each; one copy of the model.

- calls: the back end `ray` and the back end `process`, by turns.
- serve: `ray.serve.batch` by handle (batches of 100, 10 ms), in an environment of its own with Serve's packages.
- data: `map_batches` over rows in memory with `model.as_udf`, and with a class by hand that loads the model once, by turns.

Not called ray.py: a program of that name would be imported in place of Ray.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

COLUMNS = [f"p{index}" for index in range(64)]


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--loops", type=int, default=4)
    parser.add_argument("--rows", type=int, default=200_000, help="of the part data")
    parser.add_argument("--only", nargs="*", default=["calls", "serve", "data"])
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure_serve(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TIFFIN_HOME": folder, "OMP_NUM_THREADS": "1"}
        found: dict[str, float] = {}
        if "calls" in options.only:
            found |= measure_calls(options)
        if "serve" in options.only:
            found |= in_environment_of_serve()
        if "data" in options.only:
            found |= measure_data(options)
    for name, rate in found.items():
        print(f"{name:<24} {rate:9.0f} answers/s")
    for name, other, goal in (("ray", "ray.serve.batch", 10.0), ("ray", "process", 0.7), ("as_udf", "by hand", 0.95)):
        if name in found and other in found:
            print(f"{name} to {other}: {found[name] / found[other]:.2f} (goal {goal:g})")


def model_and_rows() -> tuple[Any, Any]:
    """Return M2 and its rows."""
    digits = load_digits()
    return RandomForestClassifier(100, random_state=0).fit(digits.data, digits.target), digits.data


def rate_of(call: Callable[[Any], Awaitable[Any]], rows: Any, options: argparse.Namespace) -> float:
    """Return the answers a second of so many callers in so many loops, each in a thread of its own."""
    answers = [0] * options.loops
    started = threading.Barrier(options.loops + 1)

    async def caller(loop: int, first: int, end: float) -> None:
        number = first
        while time.perf_counter() < end:
            number = (number + 1) % len(rows)
            await call(rows[number : number + 1])
            answers[loop] += 1

    async def callers(loop: int) -> None:
        await asyncio.gather(*(caller(loop, first, time.perf_counter() + 1) for first in range(options.callers)))
        answers[loop] = 0
        await asyncio.get_running_loop().run_in_executor(None, started.wait)
        end = time.perf_counter() + options.seconds
        await asyncio.gather(*(caller(loop, 7 * first, end) for first in range(options.callers)))

    threads = [threading.Thread(target=lambda loop=loop: asyncio.run(callers(loop))) for loop in range(options.loops)]
    for thread in threads:
        thread.start()
    started.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(answers) / (time.perf_counter() - began)


def start_ray() -> Any:
    """Start Ray on this machine, with few processors."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    return ray


def measure_calls(options: argparse.Namespace) -> dict[str, float]:
    """Return the rates of the two back ends, the best round of each."""
    import tiffin

    forest, rows = model_and_rows()
    model = tiffin.save("digits", forest)
    ray = start_ray()
    best = {"ray": 0.0, "process": 0.0}
    try:
        for _ in range(options.rounds):
            for backend in best:
                with model.to_runner(backend=backend) as runner:
                    best[backend] = max(best[backend], rate_of(runner.predict.async_run, rows, options))
    finally:
        ray.shutdown()
    return best


def in_environment_of_serve() -> dict[str, float]:
    """Return the rate of Serve, measured by this program in another environment."""
    import ray
    import sklearn
    from measuring import environments

    python = environments.peer("ray-serve", f"ray[serve]=={ray.__version__}", f"scikit-learn=={sklearn.__version__}")
    command = [python, __file__, "--here", "serve", *sys.argv[1:]]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_serve(options: argparse.Namespace) -> dict[str, float]:
    """Return the rate of `ray.serve.batch` by handle, the best round."""
    from ray import serve

    forest, rows = model_and_rows()

    @serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 1})
    class Digits:
        def __init__(self, model: Any) -> None:
            self.model = model

        @serve.batch(max_batch_size=100, batch_wait_timeout_s=0.01)
        async def __call__(self, given: list[Any]) -> list[Any]:
            return list(self.model.predict(np.concatenate(given)))

    ray = start_ray()
    try:
        handle = serve.run(Digits.bind(forest))

        async def call(row: Any) -> Any:
            return await handle.remote(row)

        return {"ray.serve.batch": max(rate_of(call, rows, options) for _ in range(options.rounds))}
    finally:
        serve.shutdown()
        ray.shutdown()


def measure_data(options: argparse.Namespace) -> dict[str, float]:
    """Return the rates of `map_batches` with the two functions, the best round of each."""
    import pyarrow as pa

    import tiffin

    forest, rows = model_and_rows()
    model = tiffin.save("digits", forest)
    numbers = rows[np.random.default_rng(0).integers(0, len(rows), options.rows)]
    table = pa.table(dict(zip(COLUMNS, numbers.T, strict=True)))

    class ByHand:
        def __init__(self) -> None:
            self.model = tiffin.load("digits")

        def __call__(self, batch: Any) -> Any:
            found = self.model.predict(np.stack([batch[name] for name in COLUMNS], axis=1))
            return {**batch, "prediction": found}

    ray = start_ray()
    best = {"as_udf": 0.0, "by hand": 0.0}
    try:
        data = ray.data.from_arrow(table).repartition(8).materialize()
        given: dict[str, Any] = {
            "as_udf": (Udf, {"fn_constructor_args": (model.as_udf(columns=COLUMNS),)}),
            "by hand": (ByHand, {}),
        }
        for _ in range(options.rounds):
            for name, (function, further) in given.items():
                strategy = ray.data.ActorPoolStrategy(size=1)
                began = time.perf_counter()
                data.map_batches(function, batch_size=4096, compute=strategy, **further).materialize()
                best[name] = max(best[name], options.rows / (time.perf_counter() - began))
    finally:
        ray.shutdown()
    return best


class Udf:
    """A function of batches for a pool of actors, which wants a class."""

    def __init__(self, udf: Any) -> None:
        self._udf = udf

    def __call__(self, batch: Any) -> Any:
        return self._udf(batch)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent))
    main()

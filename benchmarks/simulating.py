"""Simulate a bursty day: what batching makes of its minutes, the rule of scaling of its hours, and a fleet of a moved alias.

Run: python benchmarks/simulating.py [--seed 0] [--only batching day fleet]

Nothing is timed: the state machine of batching and the rule of scaling that runners have are driven by a simulated clock, so
the same seed gives the same figures on every machine. docs/explanation/at-scale.md shows them.

- batching: one worker, calls of one row at random moments. A batch costs 8 ms and 0.06 ms a row, as a forest of 100 trees on
  digits does. Against no merging, and against a batcher that waits 10 ms for company.
- day: a billion calls in a day with a rhythm, noise, and two dozen bursts. As many workers as the mean needs, as the highest
  minute needs, or as the rule has; a worker takes 20 s to start.
- fleet: a thousand servers that look at one alias each minute and pull 1 GiB when it has moved, from a remote that gives
  all of them 20 GiB a second together, and each 1 GiB in 8 s at best.
"""

from __future__ import annotations

import argparse
import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tiffin.batching import Batch, Chunk, Core, Method
from tiffin.runners import ScalingRule
from tiffin.runners._scaling import Scaling

FIXED, PER_ROW, FULL, WINDOW = 0.008, 0.00006, 100, 0.010
DAY, CALLS, START = 86_400, 1_000_000_000, 20


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=["batching", "day", "fleet"])
    options = parser.parse_args()
    for part in options.only:
        {"batching": simulate_batching, "day": simulate_day, "fleet": simulate_fleet}[part](options.seed)


def cost(rows: int) -> float:
    """Return the seconds that a batch takes."""
    return FIXED + PER_ROW * rows


# Batching


class NoSink:
    """Where answers would go."""

    def deliver(self, answered: Any, batch: Any) -> None:
        """Do nothing."""

    def reject(self, chunk: Any, errors: Any) -> None:
        """Do nothing."""


class Waiting:
    """A caller that goes on waiting."""

    def done(self) -> bool:
        """Return that somebody waits."""
        return False


def by_tiffin(arrivals: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the latency of each call, and how many batches there were, with Tiffin's state machine."""
    method = Method("predict", max_batch_size=FULL, max_latency=None, idempotent=True, timeout=None)
    core = Core("simulated", [method], max_queue_rows=10**9)
    core.add_worker("worker")
    latencies: list[float] = []
    batches, running, ends = 0, None, math.inf
    sink, waiter = NoSink(), Waiting()
    number = 0

    def begin(batch: Batch | None, now: float) -> tuple[Batch | None, float]:
        return batch, math.inf if batch is None else now + cost(batch.rows)

    while number < len(arrivals) or running is not None:
        now = arrivals[number] if number < len(arrivals) else math.inf
        if running is not None and ends <= now:
            batches += 1
            latencies += [ends - chunk.arrived for chunk in running.chunks for _ in chunk.waiters]
            core.finish(running, ends)
            running, ends = begin(core.take("worker", ends), ends)
            continue
        core.submit(Chunk(method, 0, None, [None], [waiter], 1, None, sink), float(now))
        number += 1
        for batch in core.dispatch(float(now)):
            running, ends = begin(batch, float(now))
    return np.array(latencies), batches


def by_window(window: float, most: int) -> Callable[[np.ndarray], tuple[np.ndarray, int]]:
    """Return a batcher that waits so many seconds from the first call of a batch on, unless the batch is full."""

    def run(arrivals: np.ndarray) -> tuple[np.ndarray, int]:
        latencies, batches, free, at = np.empty(len(arrivals)), 0, 0.0, 0
        while at < len(arrivals):
            full = arrivals[at + most - 1] if at + most <= len(arrivals) else math.inf
            begin = max(free, min(arrivals[at] + window, full))
            end = min(at + most, int(np.searchsorted(arrivals, begin, side="right")))
            free = begin + cost(end - at)
            latencies[at:end] = free - arrivals[at:end]
            batches, at = batches + 1, end
        return latencies, batches

    return run


def simulate_batching(seed: int) -> None:
    """Print latencies at several loads, and in a minute with a burst."""
    print("batching: one worker; a batch costs 8 ms and 0.06 ms a row; p50 and p99 of latency in ms, mean rows a batch")
    ways = {"alone": by_window(0.0, 1), "waits 10 ms": by_window(WINDOW, FULL), "Tiffin": by_tiffin}
    random = np.random.default_rng(seed)
    for rate in (10, 60, 100, 500, 2000, 5000):
        arrivals = np.cumsum(random.exponential(1 / rate, max(2000, rate * 10)))
        _print_ways(f"{rate} calls/s", arrivals, ways)
    rates = np.where((np.arange(60) >= 20) & (np.arange(60) < 30), 6000, 50)
    arrivals = np.concatenate([second + np.sort(random.random(random.poisson(r))) for second, r in enumerate(rates)])
    _print_ways("50, for 10 s 6000", arrivals, ways)


def _print_ways(title: str, arrivals: np.ndarray, ways: dict[str, Callable[[np.ndarray], Any]]) -> None:
    shown = []
    for name, way in ways.items():
        latencies, batches = way(arrivals)
        p50, p99 = np.percentile(latencies, [50, 99]) * 1000
        shown.append(f"{name} {p50:.0f}, {p99:.0f} ({len(arrivals) / batches:.0f})")
    print(f"  {title:<18} {';  '.join(shown)}")


# A day


def calls_of_a_day(seed: int) -> np.ndarray:
    """Return how many calls come in each second of a day."""
    random = np.random.default_rng(seed)
    seconds = np.arange(DAY)
    rhythm = 1 + 0.6 * np.sin(2 * np.pi * (seconds / DAY - 0.3))
    minutes = np.repeat(np.exp(random.normal(0, 0.1, DAY // 60)), 60)
    bursts = np.ones(DAY)
    for at in random.integers(0, DAY, 24):
        length, height = int(random.integers(60, 900)), random.uniform(2, 5)
        bursts[at : at + length] *= height
    load = rhythm * minutes * bursts
    return random.poisson(load * CALLS / load.sum())


def capacity() -> float:
    """Return the calls that one worker answers in a second, in full batches."""
    return FULL / cost(FULL)


def simulate_day(seed: int) -> None:
    """Print what a day costs, and how long calls wait, with a fixed number of workers and with the rule."""
    calls = calls_of_a_day(seed)
    rate = capacity()
    mean, highest = (math.ceil(value / rate) for value in (calls.mean() / 0.7, calls.reshape(-1, 60).mean(1).max()))
    print(
        f"day: {calls.sum():,} calls, {calls.mean():,.0f} a second on average, {calls.max():,} at most; "
        f"a worker answers {rate:,.0f} a second"
    )
    ways: dict[str, tuple[int, int, ScalingRule | None]] = {
        f"{mean} workers, for the mean at 70 %": (mean, mean, None),
        f"{highest} workers, for the highest minute": (highest, highest, None),
        "the rule as it is": (1, 2 * highest, ScalingRule()),
        "wait 0.1 s, calm 10 min": (1, 2 * highest, ScalingRule(wait=0.1, calm=600)),
        "at least half the highest": (highest // 2, 2 * highest, ScalingRule(wait=0.1, calm=600)),
    }
    for name, (least, most, rule) in ways.items():
        hours, waits, late, changes, largest = run_day(calls, least, most, rule)
        print(
            f"  {name:<34} {hours:6.0f} worker-hours; calls that wait over 0.5 s {late:6.2%}, "
            f"longest wait {waits:7.1f} s; at most {largest} workers, {changes} changes"
        )


def run_day(calls: np.ndarray, least: int, most: int, rule: ScalingRule | None) -> tuple[float, float, float, int, int]:
    """Return worker-hours, the longest wait, the part of calls that wait over 0.5 s, changes, and the most workers."""
    rate = capacity()
    scaling = None if rule is None else Scaling(rule, least, most)
    workers, starting = least, [0.0] * 0
    queue, hours, longest, late, changes, largest = 0.0, 0.0, 0.0, 0.0, 0, least
    for second, come in enumerate(calls):
        while starting and starting[0] <= second:
            heapq.heappop(starting)
            workers += 1
        answered = min(queue + come, workers * rate)
        queue += come - answered
        waited = queue / (workers * rate)
        longest = max(longest, waited)
        late += come * (waited > 0.5)
        hours += (workers + len(starting)) / 3600
        largest = max(largest, workers + len(starting))
        if scaling is not None:
            there = workers + len(starting)
            wanted = scaling.look(float(second), waited, answered / rate, there)
            changes += wanted != there
            for _ in range(wanted - there):
                heapq.heappush(starting, second + START)
            if wanted < there:
                del starting[max(0, len(starting) - (there - wanted)) :]
                workers = wanted - len(starting)
    return hours, longest, late / calls.sum(), changes, largest


# A fleet


def simulate_fleet(seed: int) -> None:
    """Print how long a fleet takes to go along with an alias, by when its servers look."""
    print("fleet: 1,000 servers, an alias that moves, 1 GiB each; seconds until half, 99 % and all have the version")
    random = np.random.default_rng(seed)
    for name, looks in (
        ("all look at the same second", np.zeros(1000)),
        ("each at a second of its own", random.uniform(0, 60, 1000)),
    ):
        for what, size in (("all of it", 1.0), ("a hundredth, the rest is there", 0.01)):
            there = np.sort(list(pulls(looks, size, 20.0, 1 / 8)))
            print(f"  {name}, {what}: {there[499]:.0f}, {there[989]:.0f}, {there[-1]:.0f}")


def pulls(looks: np.ndarray, size: float, total: float, each: float) -> Iterator[float]:
    """Yield when each pull ends: pulls that run share what the remote gives, and each has its own limit."""
    waiting = sorted(looks.tolist(), reverse=True)
    ends: list[float] = []  # how much has been given to each pull in all when it ends
    now = given = 0.0
    while waiting or ends:
        speed = min(each, total / len(ends)) if ends else 0.0
        soonest = now + (ends[0] - given) / speed if ends else math.inf
        if waiting and waiting[-1] <= soonest:
            at = waiting.pop()
            given += speed * (at - now)
            now = at
            heapq.heappush(ends, given + size)
            continue
        given, now = ends[0], soonest
        heapq.heappop(ends)
        yield now


if __name__ == "__main__":
    main()

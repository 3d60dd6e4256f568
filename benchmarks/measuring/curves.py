"""Throughput and latency against the number of callers: measured here, drawn by matplotlib in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring import environments

Call = Callable[[Any], Awaitable[Any]]


async def latencies(call: Call, rows: Sequence[Any], callers: int, seconds: float) -> tuple[float, float, float]:
    """Return calls a second, and the median and 99th percentile of the seconds that a call takes.

    Args:
        call: one call.
        rows: what callers send, each its own.
        callers: how many there are; each waits for its answer before it calls again.
        seconds: for how long.
    """
    end = time.perf_counter() + seconds
    taken: list[float] = []

    async def caller(number: int) -> None:
        x = rows[number % len(rows)]
        start = time.perf_counter()
        while True:
            await call(x)
            now = time.perf_counter()
            taken.append(now - start)
            start = now
            if now >= end:
                return

    start = time.perf_counter()
    await asyncio.gather(*[caller(number) for number in range(callers)])
    elapsed = time.perf_counter() - start
    taken.sort()
    return len(taken) / elapsed, taken[len(taken) // 2], taken[int(len(taken) * 0.99)]


async def sweep(
    subjects: Mapping[str, Call],
    rows: Sequence[Any],
    callers: Sequence[int],
    bare: Callable[[], float],
    *,
    size: int,
    rounds: int,
    seconds: float,
) -> dict[str, Any]:
    """Measure all subjects in turns, and return shares of what the bare model does.

    Args:
        subjects: name → one call.
        rows: what callers send.
        callers: the numbers of callers.
        bare: measures the bare model, in turn with the subjects: full batches a second, one after the other.
        size: rows in a full batch.
        rounds: how often. Of each figure the best round counts: what else the machine does is not the subjects' doing.
        seconds: how long each subject is measured in a round.

    Returns:
        "callers", and subject → lists of "throughput" (1 is the bare model with full batches), "median" and "p99" (1 is
        the time that the bare model takes for one full batch), by number of callers.
    """
    found: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    batches = 0.0
    for number in callers:
        for call in subjects.values():
            await latencies(call, rows, number, 0.2)
        for _ in range(rounds):
            batches = max(batches, bare())
            for name, call in subjects.items():
                found.setdefault((name, number), []).append(await latencies(call, rows, number, seconds))
    curves: dict[str, dict[str, list[float]]] = {name: {"throughput": [], "median": [], "p99": []} for name in subjects}
    for number in callers:
        shown = []
        for name, curve in curves.items():
            rates, medians, p99s = zip(*found[name, number], strict=True)
            curve["throughput"].append(round(max(rates) / (batches * size), 4))
            curve["median"].append(round(min(medians) * batches, 4))
            curve["p99"].append(round(min(p99s) * batches, 4))
            shown.append(f"{name} {curve['throughput'][-1]:.2f} ({curve['median'][-1]:.2f}, {curve['p99'][-1]:.2f})")
        print(f"  {number:4} callers: {'  '.join(shown)}", flush=True)
    return {"callers": list(callers), "curves": curves}


def draw(found: Mapping[str, Any], target: Path) -> None:
    """Draw what was measured, one row of panels for each model, as an SVG file."""
    python = environments.peer("plot", "matplotlib")
    program = Path(__file__).with_name("drawing.py")
    subprocess.run([python, program, target], input=json.dumps(found), text=True, check=True)

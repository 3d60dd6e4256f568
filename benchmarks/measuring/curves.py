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
        while (start := time.perf_counter()) < end:
            await call(x)
            taken.append(time.perf_counter() - start)

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
    """Measure all subjects in turns, and return shares of what the bare model does in the same round.

    Args:
        subjects: name → one call.
        rows: what callers send.
        callers: the numbers of callers.
        bare: measures the bare model: full batches a second, one after the other.
        size: rows in a full batch.
        rounds: how often; of each subject the round with the best throughput counts.
        seconds: how long each subject is measured in a round.

    Returns:
        "callers", and subject → lists of "throughput" (1 is the bare model with full batches), "median" and "p99" (1 is
        the time that the bare model takes for one full batch), by number of callers.
    """
    curves: dict[str, dict[str, list[float]]] = {name: {"throughput": [], "median": [], "p99": []} for name in subjects}
    for number in callers:
        best: dict[str, tuple[float, float, float]] = {}
        for call in subjects.values():
            await latencies(call, rows, number, 0.2)
        for _ in range(rounds):
            batches = bare()
            for name, call in subjects.items():
                rate, median, p99 = await latencies(call, rows, number, seconds)
                best[name] = max(
                    best.get(name, (0.0, 0.0, 0.0)), (rate / (batches * size), median * batches, p99 * batches)
                )
        for name, figures in best.items():
            for key, value in zip(("throughput", "median", "p99"), figures, strict=True):
                curves[name][key].append(round(value, 4))
        shares = "  ".join(f"{name} {figures[0]:.2f} ({figures[1]:.2f})" for name, figures in best.items())
        print(f"  {number:4} callers: {shares}", flush=True)
    return {"callers": list(callers), "curves": curves}


def draw(found: Mapping[str, Any], target: Path) -> None:
    """Draw what was measured, one row of panels for each model, as an SVG file."""
    python = environments.peer("plot", "matplotlib")
    program = Path(__file__).with_name("drawing.py")
    subprocess.run([python, program, target], input=json.dumps(found), text=True, check=True)

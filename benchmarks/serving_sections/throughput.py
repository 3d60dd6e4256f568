"""Answers in a second and the time of one, against the bare server."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import Any

from serving_sections.bench import Bench, Server
from serving_sections.findings import Finding

SUBJECTS = {"local": [], "attached": ["--hosts"], "process": ["--backend", "process"]}
"""How models run → options of `tiffin serve` for it."""

CONNECTIONS = (1, 32, 128)
LEAST = {("M1", "local"): 0.9, ("M1", "attached"): 0.8, ("M2", "process"): 1.5}
"""Share of the bare server's answers with 128 connections."""
ADDED = {("M1", "local"): 60.0, ("M1", "attached"): 200.0}
"""Microseconds that the answer to the only caller may take longer."""


def measure_m1(bench: Bench) -> list[Finding]:
    """Return the figures of a model that is done at once."""
    return _measure(bench, "M1")


def measure_m2(bench: Bench) -> list[Finding]:
    """Return the figures of a model that takes its time."""
    return _measure(bench, "M2")


def _measure(bench: Bench, model: str) -> list[Finding]:
    with ExitStack() as stack:
        servers: dict[str, Server] = {"bare": stack.enter_context(bench.bare(model))}
        for subject, options in SUBJECTS.items():
            servers[subject] = stack.enter_context(bench.tiffin(model.lower(), *options))
        for subject, server in servers.items():
            bench.check(server, bench.question(subject, model))
        found = []
        for connections in CONNECTIONS:
            rounds = [
                {
                    subject: bench.closed(server, bench.question(subject, model), connections)
                    for subject, server in servers.items()
                }
                for _ in range(bench.rounds)
            ]
            for subject in servers:
                found += _findings(model, subject, connections, rounds)
    return found


def _findings(model: str, subject: str, connections: int, rounds: list[dict[str, Any]]) -> list[Finding]:
    def middle(field: str) -> float:
        return statistics.median(each[subject][field] for each in rounds)

    within, worked = middle("median") * 1e3, middle("worked") * 1e6
    note = f"{middle('rate'):6.0f}/s, half within {within:6.2f} ms, processors {worked:5.0f} µs"
    ratio = statistics.median(each[subject]["rate"] / each["bare"]["rate"] for each in rounds)
    least = LEAST.get((model, subject)) if connections == max(CONNECTIONS) else None
    found = [Finding(f"c={connections} {subject}, of bare", ratio, least=least, note=note)]
    if connections == 1 and subject != "bare":
        added = statistics.median(each[subject]["median"] - each["bare"]["median"] for each in rounds)
        found.append(Finding(f"c=1 {subject}, added", added * 1e6, "µs", most=ADDED.get((model, subject))))
    return found

"""Twice as many requests as can be answered, under a limit of latency."""

from __future__ import annotations

import statistics

from serving_sections.bench import Bench
from serving_sections.findings import Finding

MODEL, LIMIT = "M2", 0.1
OPEN = 1000
"""Connections of the open loop; a request for which none is free waits, and that counts as its time."""


def measure(bench: Bench) -> list[Finding]:
    """Return what is answered, and when."""
    question = bench.question("tiffin", MODEL)
    options = ("--backend", "process", "--max-latency-ms", f"{LIMIT * 1000:g}")
    with bench.tiffin(MODEL.lower(), *options) as server:
        bench.check(server, question)
        rounds = []
        for _ in range(bench.rounds):
            peak = bench.client.ask("closed", **question.at(server.port), connections=128, seconds=bench.seconds)
            asked = question.at(server.port)
            before = server.worked()
            told = bench.client.ask(
                "opened", **asked, rate=2 * peak["rate"], connections=OPEN, seconds=2 * bench.seconds
            )
            rounds.append({**told, "peak": peak["rate"], "worked": server.worked() - before})
    goodput = statistics.median(one["rate"] / one["peak"] for one in rounds)
    p99 = statistics.median(one["p99"] for one in rounds)
    last = rounds[-1]
    kinds = ", ".join(f"{status}: {count}" for status, count in sorted(last["statuses"].items()))
    note = f"peak {last['peak']:.0f}/s, {last['asked']:.0f}/s asked and answered ({kinds}), {last['waited']} waited at most"
    return [
        Finding("answers, of the peak", goodput, least=0.8, note=note),
        Finding("99 of 100 answers within, of the limit", p99 / LIMIT, most=1.3, note=f"{p99 * 1e3:.0f} ms"),
    ]

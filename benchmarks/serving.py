"""Serving over HTTP: `tiffin serve` against the bare server, granian with a batcher of 40 lines and nothing else, and peers.

Run: python benchmarks/serving.py [--only SECTION …] [--rounds 5] [--seconds 1] [--json FILE]

Runs in the environment of the checkout (`make setup`); peers have environments of their own, made the first time. M1 is a
logistic regression on iris, M2 a random forest on digits; a request is one row of JSON. Servers that are compared stand side
by side and are asked in turns by one client, a process of its own. The ratio is the median of those within one round. The
client has its share of the same processors, so look at ratios and the processors' time. Needs Linux. Exits with 1 when a
limit is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from measuring.workers import Worker
from serving_sections import binary, memory, overload, peers, starting, throughput
from serving_sections.bench import Bench
from serving_sections.findings import show

SECTIONS = {
    "m1": ("M1, a model that is done at once", throughput.measure_m1),
    "m2": ("M2, a model that takes its time", throughput.measure_m2),
    "peers": ("Peers", peers.measure),
    "overload": ("M2 in a worker, twice as many requests as the peak, a limit of 100 ms", overload.measure),
    "starting": ("Without an answer", starting.measure),
    "memory": ("Memory", memory.measure),
    "binary": ("The Open Inference Protocol, 1 MiB of float32", binary.measure),
}


def main() -> int:
    """Run the chosen sections; return the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], epilog="Sections: " + ", ".join(SECTIONS)
    )
    parser.add_argument("--only", action="append", choices=SECTIONS, metavar="SECTION", help="may be given again")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="for how long each time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    chosen = parser.parse_args()
    told, hold = {}, True
    with tempfile.TemporaryDirectory() as folder, Worker(Path(sys.executable), "serving_sections.client", {}) as client:
        bench = Bench(Path(folder), chosen.rounds, chosen.seconds, client)
        for name in chosen.only or SECTIONS:
            title, measure = SECTIONS[name]
            found = measure(bench)
            hold &= show(title, found)
            told[name] = [finding.plain() for finding in found]
    if chosen.json:
        chosen.json.write_text(json.dumps(told, indent=1))
    print("\nAll limits hold." if hold else "\nA limit is missed.")
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())

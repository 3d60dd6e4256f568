"""Memory of a server's processes, against the bare server and against a Python with the framework and the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from measuring.workers import clean_environment

from serving_sections.bench import Bench, Server
from serving_sections.findings import Finding

HOLDER = "import pickle, sys; model = pickle.load(open(sys.argv[1], 'rb')); print(); sys.stdin.read()"


def measure(bench: Bench) -> list[Finding]:
    """Return the figures, in MiB of memory that is a process's own or its share of what several have."""
    with bench.bare("M1") as bare, bench.tiffin("m1") as embedded:
        for server, subject in ((bare, "bare"), (embedded, "tiffin")):
            bench.closed(server, bench.question(subject, "M1"), 32)
        before, after = _mib(bare), _mib(embedded)
    found = [
        Finding(
            "embedded, of the bare server",
            after / before,
            least=None,
            most=1.3,
            note=f"{after:.0f} MiB of {before:.0f}",
        )
    ]
    command = [sys.executable, "-c", HOLDER, str(bench.folder / "M1.pickle")]
    environment = clean_environment(bench.environment)
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert holder.stdout is not None
    with holder:
        holder.stdout.readline()
        alone = _resident(holder.pid)
        for title, word, options in (
            ("a worker", "_worker_main", ["--backend", "process"]),
            ("a host", "tiffin-serve host", ["--hosts"]),
            ("a spare", "tiffin-serve spare", ["--hosts", "--spares", "1"]),
        ):
            with bench.tiffin("m1", *options) as server:
                bench.closed(server, bench.question("tiffin", "M1"), 32)
                server.settle(word, 1)
                size = max(map(_resident, server.named(word)))
            note = f"{size:.0f} MiB of {alone:.0f}"
            found.append(Finding(f"{title}, of a Python that has the model", size / alone, most=1.1, note=note))
        assert holder.stdin is not None
        holder.stdin.close()
    return found


def _mib(server: Server) -> float:
    return sum(_field(pid, "Pss") for pid in server.pids())


def _resident(pid: int) -> float:
    return _field(pid, "Rss")


def _field(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024

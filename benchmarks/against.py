"""Compare this source of core with another one, such as core/src of a checkout of an older commit: what users wait for.

Run: python benchmarks/against.py SOURCE [--rounds 5] [--only store --only calls …]

The two run by turns, each turn in a process of its own, with adapters and runnables that use nothing but what both have. Of
each case the best process counts, and in it the median: what else the machine does is neither source's doing. Beside the time
by the clock stands what processors worked for a call, in worker processes too: it tells more where others use them as well.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import tiffin

OTHERS = sorted(point.name for group in ("tiffin", "tiffin.plugins") for point in metadata.entry_points(group=group))
"""The plugins that are installed here, which the other source may not know what to do with."""

HEAD = """
import asyncio, json, os, resource, statistics, sys, time
from pathlib import Path
import numpy as np
import tiffin
assert tiffin.__file__.startswith(sys.argv[1]), tiffin.__file__
found = {}

def processors():
    # The seconds that they worked for this process and its children, those that have ended and the others.
    used = time.process_time()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    used += ended.ru_utime + ended.ru_stime
    for child in {int(text) for file in Path("/proc/self/task").glob("*/children") for text in file.read_text().split()}:
        for file in Path(f"/proc/{child}/task").glob("*/schedstat"):
            used += int(file.read_text().split()[0]) / 1e9
    return used

def timed(case, call, repeats, calls=1):
    taken, before = [], processors()
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    found[case] = statistics.median(taken) / calls, (processors() - before) / repeats / calls
"""

PROGRAMS = {
    "store": """
class Table:
    def predict(self, x):
        return x

class Adapter:
    @tiffin.hookimpl
    def context_info(self):
        return {"types": ["__main__.Table"], "distributions": ["numpy"], "signatures": {"predict": {"batchable": True}},
                "code_files": []}

    @tiffin.hookimpl
    def save(self, model, path):
        (path / "weights").write_bytes(os.urandom(1000))

    @tiffin.hookimpl
    def load(self, path):
        (path / "weights").read_bytes()
        return Table()

tiffin.register(Adapter(), name="table")
metadata = {"accuracy": 0.9, "data": {"rows": 150, "columns": ["a", "b"]}}
timed("save, durable", lambda: tiffin.save("iris", Table(), labels={"team": "ml"}, metadata=metadata), 40)
timed("get", lambda: tiffin.get("iris:latest"), 200)
timed("load", lambda: tiffin.load("iris:latest"), 200)
timed("list of 40", lambda: tiffin.models.list("iris"), 50)
""",
    "calls": """
from tiffin.runners import Runnable, Runner

class Model(Runnable):
    SUPPORTS_CPU_MULTI_THREADING = True

    @Runnable.method(batchable=True)
    def predict(self, x):
        return x.sum(axis=1)

row = np.ones((1, 8))

async def callers(runner, count, calls):
    async def one():
        for _ in range(calls):
            await runner.predict.async_run(row)
    await asyncio.gather(*[one() for _ in range(count)])

with Runner(Model) as runner:
    timed("a call", lambda: runner.predict.run(row), 3000)
    for count in (1, 64, 256):
        loop = asyncio.new_event_loop()
        calls = 6400 // count
        call = lambda: loop.run_until_complete(callers(runner, count, calls))
        timed(f"{count} callers in a loop, a call", call, 5, count * calls)
        loop.close()
""",
    "workers": """
from tiffin.runners import Runnable, Runner

class Model(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, x):
        return x * 2

def started():
    with Runner(Model, backend="process") as runner:
        runner.predict.run(np.ones((1, 8)))

timed("start, a call, stop", started, 4)
with Runner(Model, backend="process") as runner:
    for rows, size, repeats in ((1, "64 B", 2000), (1 << 14, "1 MiB", 300)):
        x = np.ones((rows, 8))
        timed(f"a call of {size}", lambda: runner.predict.run(x), repeats)
""",
}


def main() -> None:
    """Run the programs by turns, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="another folder that holds the package tiffin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=PROGRAMS, help="may be given again")
    options = parser.parse_args()
    sources = {"this": Path(tiffin.__file__).parents[1], "other": options.source.resolve()}
    print(f"this source beside {options.source}, best of {2 * options.rounds} processes each")
    for name in options.only or PROGRAMS:
        best: dict[str, dict[str, list[float]]] = {who: {} for who in sources}
        for turn in range(4 * options.rounds):
            # Neither is always the first of a pair: this one, other, other, this one.
            who = list(sources)[(turn + 1) // 2 % 2]
            for case, taken in measured(PROGRAMS[name], sources[who]).items():
                best[who][case] = list(map(min, taken, best[who].get(case, taken)))
        for case, here in best["this"].items():
            pairs = zip(here, best["other"][case], strict=True)
            clock, work = (f"{a * 1e6:9.1f} us, there {b * 1e6:9.1f}: {a / b:4.2f} x" for a, b in pairs)
            print(f"  {name:8} {case:32} clock {clock}; processors {work}")


def measured(program: str, source: Path) -> dict[str, list[float]]:
    """Run a program with one of the sources, in an empty store; return seconds by the clock and of processors, by case."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "PYTHONPATH": str(source),
            "TIFFIN_HOME": home,
            "TIFFIN_DISABLE_PLUGINS": ",".join(OTHERS),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        path = Path(home) / "program.py"
        path.write_text(f"{HEAD}{program}\nprint(json.dumps(found))\n", encoding="utf-8")
        command = [sys.executable, str(path), str(source)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, list[float]] = json.loads(output.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()

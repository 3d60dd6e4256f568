"""Measure `tiffin plugins list` with a plugin that brings a kind of values, and without it.

Run: python benchmarks/listing_plugins.py [--rounds 10]

The two run by turns in one environment, in which no other plugin is asked. Of each the best counts, by the clock and in what
processors worked.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

PLUGIN = """
import tiffin

class Celsius:
    pass

class Kind(tiffin.values.ValueKind):
    name = "celsius.Celsius"
    types = ("celsius.Celsius",)

    def send(self, value):
        return value.degrees

    def receive(self, parts):
        return parts

@tiffin.hookimpl
def values():
    return [Kind()]
"""
INSTALLED = {
    "celsius.py": PLUGIN,
    "celsius-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: celsius\nVersion: 1.0\n",
    "celsius-1.0.dist-info/entry_points.txt": "[tiffin.plugins]\ncelsius = celsius\n",
}


def main() -> None:
    """Run the command by turns, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    others = sorted(
        point.name for group in ("tiffin", "tiffin.plugins") for point in metadata.entry_points(group=group)
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, text in INSTALLED.items():
            path = Path(folder, "packages", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        environment = {**os.environ, "TIFFIN_HOME": f"{folder}/home", "TIFFIN_DISABLE_PLUGINS": ",".join(others)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        found = {}
        best: dict[str, tuple[float, ...]] = {}
        for turn in range(2 * options.rounds):
            who = ("with", "without")[turn % 2]
            packages = f"{folder}/packages" if who == "with" else f"{folder}/none"
            taken = measured({**environment, "PYTHONPATH": packages})
            found[who] = taken[2]
            best[who] = tuple(map(min, taken[:2], best.get(who, taken[:2])))
    assert "celsius" in found["with"], found["with"]
    for what, here, there in zip(("clock", "processors"), best["with"], best["without"], strict=True):
        print(f"  {what:10} with {here * 1e3:6.1f} ms, without {there * 1e3:6.1f} ms: {here / there:4.2f} x")


def measured(environment: dict[str, str]) -> tuple[float, float, str]:
    """Run the command; return seconds by the clock and of processors, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "tiffin", "plugins", "list"]
    text = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    taken, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, text


if __name__ == "__main__":
    main()

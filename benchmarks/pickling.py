"""Measure tiffin.pickling against its limits: a gigabyte of arrays, a small model, and memory shared by processes.

Run: python benchmarks/pickling.py [--mib 1024] [--rounds 5] [--folder DIR] [--against SOURCE]

With --against, instead, this source is compared with another one, such as core/src of a checkout of an older commit:
objects of several kinds are dumped and loaded by processes that run by turns.

Needs numpy, Linux for the memory figures, about three times the size on disk, and scikit-learn if there is one. Ratios
compare rounds that alternate within one run, best of all; absolute times depend on the machine and its neighbours.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tiffin.pickling._write as writing
from tiffin import pickling

ARRAYS = 8
MIB = 1 << 20


def main() -> None:
    """Run all measurements and print them beside their limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mib", type=int, default=1024, help="size of the large model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; default: the folder for temporary files")
    parser.add_argument("--against", type=Path, help="another folder that holds the package tiffin")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.against:
            compare(Path(folder), options.against, options.rounds)
            return
        small(Path(folder))
        large(Path(folder), options.mib, options.rounds)
        shared(Path(folder), options.mib)


def compare(folder: Path, other: Path, rounds: int) -> None:
    """Time dump and load of this source and another one, in processes that run by turns; print the ratios."""
    sources = {"this": Path(pickling.__file__).parents[2], "other": other.resolve()}
    best: dict[str, dict[str, float]] = {name: {} for name in sources}
    for turn in range(2 * rounds):
        # Neither is always the first of a pair: this one, other, other, this one.
        name = list(sources)[(turn + 1) // 2 % 2]
        environment = {**os.environ, "PYTHONPATH": str(sources[name])}
        command = [sys.executable, "-c", COMPARED, str(sources[name]), str(folder)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        for case, seconds in json.loads(output).items():
            best[name][case] = min(seconds, best[name].get(case, seconds))
    print(f"this source beside {other}, best of {rounds} processes each")
    for case, seconds in best["this"].items():
        before = best["other"][case]
        print(f"  {case:28} {seconds * 1e6:9.1f} us, before {before * 1e6:9.1f} us: {seconds / before:4.2f} x")


COMPARED = """
import json, shutil, sys, time
from pathlib import Path
import numpy as np
from tiffin import pickling
assert pickling.__file__.startswith(sys.argv[1]), pickling.__file__

FACTOR = 3

def function(x):
    return [FACTOR * each for each in np.asarray(x)]

class Model:
    def __init__(self):
        self.bias, self.names = 1.5, {"a": 1}
    def predict(self, x):
        return function(x) + [self.bias]

class Step:
    def __init__(self, number):
        self.number, self.weights = number, np.arange(20.0) + number

objects = {
    "small object": {"a": [1, 2.5, "x"], "b": (None, b"y")},
    "200 arrays in 200 dicts": [{"n": number, "w": np.arange(100.0) + number} for number in range(200)],
    "64 MiB of arrays": [np.full(1 << 20, float(number)) for number in range(8)],
    "function by value": function,
    "object of a class by value": Model(),
    "500 objects by value": [Step(number) for number in range(500)],
}
try:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
except ImportError:
    pass
else:
    points = np.random.default_rng(0).standard_normal((150, 4))
    labels = points[:, 0] > 0
    objects["LogisticRegression"] = LogisticRegression().fit(points, labels)
    objects["pipeline"] = make_pipeline(StandardScaler(), LogisticRegression()).fit(points, labels)
    objects["forest of 50"] = RandomForestClassifier(50, random_state=0).fit(points, labels)

def best(work, before=lambda: None):
    taken = []
    end = time.perf_counter() + 0.8
    while len(taken) < 5 or time.perf_counter() < end:
        before()
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)

times = {}
folder = Path(sys.argv[2], "compared")

def renew():
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()

for name, obj in objects.items():
    times[name + ", dump"] = best(lambda: pickling.dump(obj, folder), renew)
    times[name + ", load"] = best(lambda: pickling.load(folder))
print(json.dumps(times))
"""


def large(folder: Path, mib: int, rounds: int) -> None:
    """Compare saving with plain writing, and time loading."""
    model = arrays(mib)
    one = {"weights": model[0] if mib < 64 else np.concatenate([model[0]] * ARRAYS)}

    def plain() -> None:
        for number, array in enumerate(model):
            descriptor = os.open(folder / "out" / str(number), os.O_CREAT | os.O_WRONLY)
            view = memoryview(array).cast("B")
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
            os.close(descriptor)

    def plain_late() -> None:
        descriptors = []
        for number, array in enumerate(model):
            descriptors.append(os.open(folder / "out" / str(number), os.O_CREAT | os.O_WRONLY))
            view = memoryview(array).cast("B")
            while view:
                view = view[os.write(descriptors[-1], view) :]
        for descriptor in descriptors:
            os.fsync(descriptor)
            os.close(descriptor)

    def dump() -> None:
        pickling.dump(model, folder / "out")

    def dump_without() -> None:
        original, writing.start_writeback = writing.start_writeback, lambda *_: None
        try:
            dump()
        finally:
            writing.start_writeback = original

    def dump_one() -> None:
        pickling.dump(one, folder / "out")

    cases: dict[str, Callable[[], None]] = {
        "plain write + fsync, file by file": plain,
        "plain write, then fsync all": plain_late,
        "dump": dump,
        "dump without early write-back": dump_without,
        "dump of one array of that size": dump_one,
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    memory: dict[str, int] = {}
    for turn in range(rounds):
        # Each case follows each other one in turn: the disk still works on what was deleted before.
        for name, case in [*cases.items()][turn % len(cases) :] + [*cases.items()][: turn % len(cases)]:
            with emptied(folder / "out"), peak() as above:
                start = time.perf_counter()
                case()
                times[name].append(time.perf_counter() - start)
            memory[name] = max(memory.get(name, 0), above[0])
    base, usual = (min(take(times[name]) for name in list(cases)[:2]) for take in (min, statistics.median))
    print(f"\n{mib} MiB in {ARRAYS} arrays of float32, {rounds} rounds; limit: 1.30 x the faster plain way, +64 MiB")
    for name in cases:
        best, middle = min(times[name]), statistics.median(times[name])
        print(
            f"  {name:36} best {best:6.3f} s, {best / base:4.2f} x; median {middle:6.3f} s, {middle / usual:4.2f} x; "
            f"+{memory[name] / MIB:.0f} MiB RSS"
        )

    (folder / "big").mkdir()
    pickling.dump(model, folder / "big")
    loads = [timed(lambda: pickling.load(folder / "big")) for _ in range(20)]
    touched = [timed(lambda: [array.sum() for array in pickling.load(folder / "big")]) for _ in range(3)]
    in_memory = min(timed(lambda: [array.sum() for array in model]) for _ in range(3))
    print(f"  load {min(loads) * 1e3:.3f} ms (median {statistics.median(loads) * 1e3:.3f}); limit: 5 ms")
    print(f"  load and sum every array {min(touched):.3f} s; summing alone {in_memory:.3f} s")


def small(folder: Path) -> None:
    """Time a small model, and what the disk needs for one file of its size."""
    model: Any
    try:
        from sklearn.linear_model import LogisticRegression

        points = np.random.default_rng(0).standard_normal((150, 4))
        model = LogisticRegression().fit(points, points[:, 0] > 0)
    except ImportError:
        model = {"coef": np.zeros((3, 4)), "intercept": np.zeros(3), "classes": np.arange(3)}
    content = pickle.dumps(model, 5)
    (folder / "small").mkdir()
    times: dict[str, list[float]] = {"write": [], "dump": [], "load": [], "loads": []}
    for number in range(300):
        name = f"model-{number}"

        def write(name: str = name) -> None:
            descriptor = os.open(folder / "small" / name, os.O_CREAT | os.O_WRONLY)
            os.write(descriptor, content)
            os.fsync(descriptor)
            os.close(descriptor)

        times["write"].append(timed(write))
        times["dump"].append(timed(lambda name=name: pickling.dump(model, folder / "small", name=name)))  # type: ignore[misc]
        times["load"].append(timed(lambda name=name: pickling.load(folder / "small", name=name)))  # type: ignore[misc]
        times["loads"].append(timed(lambda: pickle.loads(content)))
    best = {name: min(each) * 1e3 for name, each in times.items()}
    middle = {name: statistics.median(each) * 1e3 for name, each in times.items()}
    print(f"small model ({type(model).__name__}, {len(content)} bytes), best and median of 300")
    print(f"  write + fsync {best['write']:.3f} ms ({middle['write']:.3f})")
    print(f"  dump          {best['dump']:.3f} ms ({middle['dump']:.3f}); limit: the above + 1 ms")
    print(
        f"  load          {best['load']:.3f} ms ({middle['load']:.3f}); limit: 0.2 ms; pickle.loads {best['loads']:.3f}"
    )


def shared(folder: Path, mib: int) -> None:
    """Sum up the memory of four processes that have loaded and read the model, above four that have not."""
    idle = pss(folder, "idle")
    loaded = pss(folder, "load")
    print(f"\nfour processes: {(loaded - idle) / MIB:.0f} MiB PSS above four idle ones; limit: {mib * 1.1:.0f} MiB")


CHILD = """
import sys, numpy as np, mmap, ctypes, json, pickle
from tiffin import pickling
if sys.argv[2] == "load":
    model = pickling.load(sys.argv[1] + "/big")
    total = sum(array.sum(dtype="f8") for array in model)
print("ready", flush=True)
sys.stdin.readline()
"""


def pss(folder: Path, what: str) -> int:
    """Return the bytes of PSS that four processes hold together."""
    command = [sys.executable, "-c", CHILD, str(folder), what]
    with contextlib.ExitStack() as stack:
        children = []
        for _ in range(4):
            child = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            children.append(child)
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        total = 0
        for child in children:
            lines = Path(f"/proc/{child.pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) << 10
        for child in children:
            child.communicate("\n")
        return total


def arrays(mib: int) -> list[Any]:
    """Return the large model."""
    generator = np.random.default_rng(0)
    return [generator.random(mib * MIB // ARRAYS // 4, dtype=np.float32) for _ in range(ARRAYS)]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes, without freeing its result."""
    start = time.perf_counter()
    result = work()
    taken = time.perf_counter() - start
    del result
    return taken


@contextlib.contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """Make the folder for the block, with nothing left to write from before."""
    folder.mkdir()
    gc.collect()
    os.sync()
    try:
        yield
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def peak() -> Iterator[list[int]]:
    """Give a list that holds, after the block, by how many bytes resident memory rose at most above the start."""
    above = [0]
    before = resident()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            above[0] = max(above[0], resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield above
    finally:
        done.set()
        watcher.join()


def resident() -> int:
    """Return the bytes of this process that are in memory; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    main()

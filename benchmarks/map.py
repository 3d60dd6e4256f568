"""Measure `tiffin map` against a bare loop over `predict`, with bad rows, and after kills.

Run: python benchmarks/map.py [--rows 2000000] [--only loop bad killed udf]

- loop: rows of digits through a forest, by as many processes as there are processors; the bare loop has its rows in memory,
  in batches of the size that is best for it, and the model loaded; Tiffin reads parquet and writes parquet. What a job of a
  few rows takes is subtracted, and shown. Also the most memory of all processes.
- bad: one row in a thousand is refused by the model, against none.
- killed: the job is killed twice, and started again; the result is complete, and each bad row named once.
- udf: `model.as_udf` over frames in memory, against a hand-written class that loads the model by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import tiffin

SIZES = (1024, 4096, 16384)
COLUMNS = [f"p{index}" for index in range(64)]
_model: Any = None


def main() -> None:
    """Run the chosen parts in one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--only", nargs="*", default=["loop", "bad", "killed", "udf"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"TIFFIN_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
        digits = load_digits()
        tiffin.save("digits", RandomForestClassifier(100, random_state=0).fit(digits.data, digits.target))
        good, bad = folder / "good.parquet", folder / "bad.parquet"
        write_rows(good, options.rows, digits.data, 0)
        write_rows(bad, options.rows, digits.data, 1000)
        taken: dict[str, float] = {}
        for part in options.only:
            PARTS[part](folder, good, bad, options.rows, taken)


def write_rows(path: Path, rows: int, data: Any, every: int) -> None:
    """Write rows of digits; each `every`-th one is refused by the model, none where that is 0."""
    numbers = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float32()) for name in COLUMNS])
    with parquet.ParquetWriter(path, schema) as writer:
        for at in range(0, rows, 100_000):
            block = data[numbers.integers(0, len(data), min(100_000, rows - at))].astype(np.float32)
            if every:
                block[::every, 3] = np.inf
            writer.write_table(pa.table(list(block.T), schema=schema))


def measure_loop(folder: Path, good: Path, bad: Path, rows: int, taken: dict[str, float]) -> None:
    """Compare the bare loop with a job."""
    table = parquet.read_table(good)
    data = np.stack([column.to_numpy() for column in table.columns], axis=1)
    del table
    processes = len(os.sched_getaffinity(0))
    np.save(folder / "rows.npy", data)
    best = min((bare(folder, min(100_000, rows), size, processes), size) for size in SIZES)[1]
    alone = bare(folder, rows, best, processes)
    write_rows(folder / "few.parquet", 1000, load_digits().data, 0)
    begun, _ = job(folder / "few.parquet", folder / "out-few")
    taken["good"], memory = job(good, folder / "out")
    scoring = taken["good"] - begun
    print(
        f"loop    bare ({best} rows a batch) {alone:6.1f} s, tiffin map {scoring:6.1f} s: {alone / scoring:5.1%} (goal 85%);"
        f" with the {begun:.1f} s in which workers start and load {alone / taken['good']:5.1%};"
        f" memory {memory:5.2f} GiB (limit 1.2)"
    )


def bare(folder: Path, rows: int, size: int, processes: int) -> float:
    """Return the seconds that a loop over `predict` takes, by so many processes; loading and reading not counted."""
    with ProcessPoolExecutor(processes, initializer=_load) as pool:
        list(pool.map(_loop, [(folder, 0, size, size)] * processes * 4))  # every process has loaded the model
        share = -(-rows // processes)
        start = time.perf_counter()
        list(pool.map(_loop, [(folder, at, min(share, rows - at), size) for at in range(0, rows, share)]))
        return time.perf_counter() - start


def _load() -> None:
    global _model
    _model = tiffin.load("digits")


def _loop(work: tuple[Path, int, int, int]) -> None:
    folder, first, count, size = work
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    for at in range(first, first + count, size):
        _model.predict(rows[at : min(at + size, first + count)])


def command(source: Path, output: Path, *further: str) -> list[str]:
    """Return the command of a job."""
    return [sys.executable, "-m", "tiffin", "map", "digits", str(source), str(output), "-o", "json", *further]


def job(source: Path, output: Path, *further: str) -> tuple[float, float]:
    """Run a job; return the seconds of scoring, as it says them, and the most memory of all its processes in GiB."""
    process = subprocess.Popen(command(source, output, *further), stdout=subprocess.PIPE, text=True)
    most = [0.0]
    watch = threading.Thread(target=_watch, args=(process, most))
    watch.start()
    text, _ = process.communicate()
    watch.join()
    assert process.returncode == 0, text
    return float(json.loads(text)["seconds"]), most[0]


def _watch(process: subprocess.Popen[str], most: list[float]) -> None:
    while process.poll() is None:
        pids = [process.pid, *children(process.pid)]
        most[0] = max(most[0], sum(map(_memory, pids)) / (1 << 30))
        time.sleep(0.2)


def children(pid: int) -> list[int]:
    """Return the processes below one."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    found = [int(one) for one in text.split()]
    return [*found, *(one for child in found for one in children(child))]


def _memory(pid: int) -> int:
    """Return the bytes of a process, shared ones as its share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def measure_bad(folder: Path, good: Path, bad: Path, rows: int, taken: dict[str, float]) -> None:
    """Compare a job with bad rows with one without."""
    if "good" not in taken:
        taken["good"], _ = job(good, folder / "out")
    seconds, _ = job(bad, folder / "out-bad", "--max-bad", "1%")
    more = seconds / taken["good"] - 1
    print(f"bad     0.1% bad rows {seconds:6.1f} s, none {taken['good']:6.1f} s: {more:+5.1%} (limit +15%)")


def measure_killed(folder: Path, good: Path, bad: Path, rows: int, taken: dict[str, float]) -> None:
    """Kill a job twice, each time when it has published another part, and let it end."""
    output = folder / "out-killed"
    for parts in (1, 3):
        process = subprocess.Popen(command(bad, output, "--max-bad", "1%"), stdout=subprocess.DEVNULL)
        while len(list(output.glob("part-*"))) < parts and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    job(bad, output, "--max-bad", "1%")
    numbers = np.concatenate([parquet.read_table(part)["row"].to_numpy() for part in sorted(output.glob("part-*"))])
    named = [json.loads(line)["row"] for line in (output / "_bad_rows.jsonl").read_text("utf-8").splitlines()]
    assert named == sorted(set(named)), "a bad row is named twice"
    assert np.array_equal(np.sort(np.concatenate([numbers, named])), np.arange(rows)), "rows are missing"
    print(f"killed  twice, then complete: {len(numbers):,} rows scored, {len(named):,} bad rows, each named once")


def measure_udf(folder: Path, good: Path, bad: Path, rows: int, taken: dict[str, float]) -> None:
    """Compare the function of batches with a class by hand."""
    frames = [batch.to_pandas() for batch in parquet.ParquetFile(good).iter_batches(4096) if batch.num_rows == 4096][
        :20
    ]

    class ByHand:
        def __init__(self) -> None:
            self.model = tiffin.load("digits")

        def __call__(self, frame: Any) -> Any:
            return frame.assign(prediction=self.model.predict(frame[COLUMNS].to_numpy()))

    ours: Callable[[Any], Any] = tiffin.get("digits").as_udf(columns=COLUMNS)
    hand = ByHand()
    best = dict.fromkeys(("udf", "hand"), 1000000000.0)
    for _ in range(3):
        for name, function in (("udf", ours), ("hand", hand)):
            start = time.perf_counter()
            for frame in frames:
                function(frame)
            best[name] = min(best[name], time.perf_counter() - start)
    print(f"udf     {best['hand'] / best['udf']:5.1%} of a class by hand (goal 95%)")


PARTS: dict[str, Callable[[Path, Path, Path, int, dict[str, float]], None]] = {
    "loop": measure_loop,
    "bad": measure_bad,
    "killed": measure_killed,
    "udf": measure_udf,
}

if __name__ == "__main__":
    main()

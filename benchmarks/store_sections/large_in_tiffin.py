"""Saves and loads of a gigabyte; runs within Tiffin's environment."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring.workers import own_folder, serve

import tiffin
import tiffin.pickling._write as writing

ARRAYS = 8
_model: dict[str, Any] = {}


def prepare(mib: int) -> None:
    """Make the model: eight contiguous arrays of float32; and save a small one, so that all is imported."""
    generator = np.random.default_rng(0)
    count = (mib << 20) // ARRAYS // 4
    _model.update({f"layer{number}": generator.random(count, dtype=np.float32) for number in range(ARRAYS)})
    tiffin.save("warm", {"weights": np.zeros(1 << 19)})
    tiffin.load("warm")


def plain(late: bool) -> list[float]:
    """Write the same bytes to eight files and sync each, or with `late` all of them at the end; seconds, extra bytes."""
    folder = Path(os.environ["TIFFIN_HOME"], "plain")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def work() -> None:
        descriptors = []
        for name, array in _model.items():
            descriptors.append(os.open(folder / name, os.O_CREAT | os.O_WRONLY, 0o644))
            view = memoryview(array).cast("B")
            while view:
                view = view[os.write(descriptors[-1], view) :]
            if not late:
                os.fsync(descriptors[-1])
        for descriptor in descriptors:
            if late:
                os.fsync(descriptor)
            os.close(descriptor)

    result = _watched(work)
    shutil.rmtree(folder)
    return result


def save(early: bool) -> list[float]:
    """Save the model, with or without telling the system early to write back; seconds, extra bytes."""
    if "big" in tiffin.models.default_store().names():
        tiffin.models.delete("big:1")
    original = writing.start_writeback
    if not early:
        writing.start_writeback = lambda *_: None
    try:
        return _watched(lambda: tiffin.save("big:1", _model))
    finally:
        writing.start_writeback = original


def load(times: int) -> list[float]:
    """Load the model; return the seconds of each time."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        loaded = tiffin.load("big:1")
        taken.append(time.perf_counter() - start)
        del loaded
    return taken


def _watched(work: Callable[[], object]) -> list[float]:
    gc.collect()
    os.sync()  # nothing that was written before shall be waited for within
    # Resets the peak of resident memory to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    start = time.perf_counter()
    work()
    taken = time.perf_counter() - start
    return [taken, _status("VmHWM") - before]


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) << 10


if __name__ == "__main__":
    own_folder("TIFFIN_HOME")
    serve(prepare=prepare, plain=plain, save=save, load=load)

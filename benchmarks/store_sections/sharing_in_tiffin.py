"""One of several processes that load the large model, or import the same and load nothing; within Tiffin's environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from measuring.workers import own_folder, serve

import tiffin

_held: list[Any] = []


def load(tag: str) -> float:
    """Load the model, read every byte of it, and keep it; return the sum."""
    _held.append(tiffin.load(tag))
    return float(sum(array.sum(dtype=np.float64) for array in _held[0].values()))


def memory() -> int:
    """Return this process's proportional share of memory, in bytes."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) << 10


if __name__ == "__main__":
    own_folder("TIFFIN_HOME")
    serve(load=load, memory=memory)

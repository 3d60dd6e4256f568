"""How many threads the numeric libraries of a worker may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeAlias

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What BLAS and OpenMP libraries read when they are loaded."""

ResourceStrategy: TypeAlias = Callable[[type, int, int], Mapping[str, str]]
"""(runnable class, number of this worker from 0, number of workers) -> environment variables for the worker's process."""


def share_cores(runnable_class: type, worker: int, workers: int) -> dict[str, str]:
    """Return the variables that give each worker its share of the cores.

    Args:
        runnable_class: A runnable that does not support multi-threading gets one thread.
        worker: The worker's number, from 0.
        workers: How many workers there are.
    """
    threads = 1
    if getattr(runnable_class, "SUPPORTS_CPU_MULTI_THREADING", False):
        threads = max(1, count_cores() // workers)
    return dict.fromkeys(VARIABLES, str(threads))


def count_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1

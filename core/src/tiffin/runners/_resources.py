"""Resource strategies: how many threads BLAS and OpenMP may use in each worker process, and which GPU it sees.

Libraries for arithmetic start as many threads as the machine has processors, and take the first GPU. In several workers at
once these get into each other's way, so a strategy divides them; it is a function, and can be replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from itertools import takewhile
from pathlib import Path

from tiffin.exceptions import RunnerOptionError

ResourceStrategy = Callable[[int, int, int, type], Mapping[str, str]]
"""Takes a worker's index, the number of workers, the number of processors and the Runnable class; returns environment
variables that this worker starts with. Asked once for each worker, when the runner is made."""

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# glibc gives large arrays back to the system as soon as they are freed, and gets fresh pages, to be zeroed one by one, for
# the next batch. Keeping up to 256 MiB makes a worker's answer with 64 MiB arrays a quarter faster.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
_VISIBLE = "CUDA_VISIBLE_DEVICES"

GPU = "nvidia.com/gpu"
"""The resource that `SUPPORTED_RESOURCES` and an adapter's `resources` name; what is not named is not used."""


def share_resources(index: int, workers: int, processors: int, runnable_class: type) -> Mapping[str, str]:
    """Return thread counts that divide the processors among the workers, and the GPU that one of them is to see.

    One thread, if the runnable does not use more. Of the GPUs that this process sees, worker i gets number i; more workers
    than GPUs share them in turn. A runnable that supports the CPU only sees none. Also lets each worker keep up to 256 MiB
    of freed memory for its next batch. Variables for threads and memory that the user has set already are left as they are.

    Args:
        index: the worker's number, from 0.
        workers: how many worker processes there are, at least 1.
        processors: how many processors they share, see `available_processors`.
        runnable_class: the Runnable; `SUPPORTS_CPU_MULTI_THREADING` says whether threads are of use to it,
            `SUPPORTED_RESOURCES` on which devices it runs.

    Raises:
        RunnerOptionError: it supports GPUs only, and this process sees none.
    """
    several = getattr(runnable_class, "SUPPORTS_CPU_MULTI_THREADING", False)
    threads = max(1, processors // max(1, workers)) if several else 1
    wanted = {**dict.fromkeys(_THREADS, str(threads)), **_MEMORY}
    chosen = {name: value for name, value in wanted.items() if name not in os.environ}
    supported = set(getattr(runnable_class, "SUPPORTED_RESOURCES", ()))
    if supported <= {"cpu"}:
        return {**chosen, _VISIBLE: ""}
    if device_for(supported) == GPU:
        gpus = visible_gpus()
        chosen[_VISIBLE] = gpus[index % len(gpus)]
    return chosen


def environment_of(
    strategy: ResourceStrategy, index: int, workers: int, processors: int, runnable_class: type
) -> dict[str, str]:
    """Return what a strategy says to one worker.

    Raises:
        RunnerOptionError: it answers with no environment variables.
    """
    answer = strategy(index, workers, processors, runnable_class)
    if not isinstance(answer, Mapping) or not all(isinstance(part, str) for pair in answer.items() for part in pair):
        raise RunnerOptionError(
            f"The function that is given as resources answers worker {index} with {answer!r:.80}",
            why="A worker process is started with what it answers as its environment variables",
            fix="Return a dict of texts, as {'OMP_NUM_THREADS': '2'}; an empty one changes nothing",
            runner="",
        )
    return dict(answer)


def share_processors(workers: int, processors: int, runnable_class: type) -> Mapping[str, str]:
    """Return what `share_resources` says to the first worker; the name that it had before workers had devices of their own.

    Args:
        workers: as for `share_resources`.
        processors: as for `share_resources`.
        runnable_class: as for `share_resources`.
    """
    return share_resources(0, workers, processors, runnable_class)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use: as CUDA_VISIBLE_DEVICES names them, or by number where it is unset."""
    named = os.environ.get(_VISIBLE)
    if named is None:
        found = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
        return sorted(filter(str.isdecimal, found), key=int)
    # As CUDA itself reads it: up to the first number that is none.
    return list(takewhile(lambda name: name and not name.startswith("-"), map(str.strip, named.split(","))))


def device_for(supported: Collection[str]) -> str:
    """Return which of the supported resources a runnable made in this process is to use: a GPU where there is one.

    Raises:
        RunnerOptionError: it supports GPUs only, and this process sees none.
    """
    if GPU in supported and visible_gpus():
        return GPU
    if set(supported) == {GPU}:
        raise RunnerOptionError(
            f"The model runs on {GPU!r} only, and this process sees no such device",
            why="Its adapter, or the SUPPORTED_RESOURCES of its runnable, names nothing else",
            fix=f"Run it on a machine with a GPU, and look at {_VISIBLE} if there is one",
            runner="",
        )
    return "cpu"


def available_processors() -> int:
    """Return how many processors this process may use: by affinity, and by the control group's limit, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        # No control groups of version 2, or no limit.
        return count
    return count


def given_threads() -> int | None:
    """Return how many threads this process was given, as a worker is; `None` where nobody said.

    For adapters whose framework does not look at OMP_NUM_THREADS by itself.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else None


def circumstances() -> dict[str, str]:
    """Return what may change an answer by some ulps: the machine's kind, how many processors and threads there may be."""
    import platform

    threads = {name: os.environ[name] for name in _THREADS if os.environ.get(name)}
    return {"machine": platform.machine(), "processors": str(available_processors()), **threads}

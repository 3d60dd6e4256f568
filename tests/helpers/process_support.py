"""What several tests of processes need."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

CORE = str(Path(__file__).resolve().parents[2] / "core" / "src")


def wait_until_gone(descriptor: int, seconds: float = 20.0) -> bool:
    """Return whether the process of a pidfd has ended, waiting for it; closes the descriptor."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    try:
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def like_ours() -> dict[str, str]:
    """Return the environment for a program that finds the same modules as this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([CORE, *sys.path])}


def start_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that says what it has to say on its standard output, line by line."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=like_ours(),
    )


def descriptors() -> set[str]:
    """Return the numbers of this process's open file descriptors."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def segments_of(pid: int | str = "self") -> int:
    """Return how many mappings of shared memory segments a process has."""
    return Path(f"/proc/{pid}/maps").read_text().count("/memfd:tiffin")


def by_value(module: str) -> Any:
    """Return a fixture by which a test module's classes travel to workers by value, as a program's own do."""

    @pytest.fixture(autouse=True, scope="module")
    def travels() -> Iterator[None]:
        cloudpickle.register_pickle_by_value(sys.modules[module])
        yield
        cloudpickle.unregister_pickle_by_value(sys.modules[module])

    return travels

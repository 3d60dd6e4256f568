"""Small file systems for tests; only root can mount them, as CI does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(point: Path, options: str) -> Iterator[Path]:
    """Mount an empty file system in memory at `point` for the block; skip the test where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs Linux and root")
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tiffin-test", str(point)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {made.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def remount(point: Path, options: str) -> None:
    """Change the options of what is mounted at `point`."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(point)], check=True)


@contextlib.contextmanager
def read_only(folder: Path, point: Path) -> Iterator[Path]:
    """Show `folder` at `point`, which may be the same, as a file system that is mounted read-only."""
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(folder), str(point)], check=True)
    try:
        remount(point, "bind,ro")
        yield point
    finally:
        subprocess.run(["umount", "--lazy", str(point)], check=True)

"""Ending a worker's process group: all of it but what tidies up after it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_TRACKER = b"resource_tracker import main"
"""In the command of Python's resource tracker and of its copies. One ends by itself when all that use it have ended, and
then unlinks the shared memory that they leave: killed together with them, it could not."""


def kill_group(leader: int) -> None:
    """Kill the processes of a group, but for resource trackers. Passes over what is gone already.

    Args:
        leader: The group's number; its leader must not be reaped yet, so that the number is not another's.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not any(map(_is_tracker, _members(leader))):
            os.killpg(leader, signal.SIGKILL)
            return
        # Stopped, they start no others while this looks.
        os.killpg(leader, signal.SIGSTOP)
        for process in _members(leader):
            if not _is_tracker(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        os.killpg(leader, signal.SIGCONT)


def _members(leader: int) -> Iterator[int]:
    with contextlib.suppress(OSError):  # no /proc: then there is nobody to spare
        for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough, and there are many
            with contextlib.suppress(ValueError, ProcessLookupError, PermissionError):
                if os.getpgid(int(name)) == leader:
                    yield int(name)


def _is_tracker(process: int) -> bool:
    try:
        return _TRACKER in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False

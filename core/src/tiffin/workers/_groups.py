"""The end of a worker's process group: all of it but what tidies up after it; and the end in words."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_TRACKER = b"resource_tracker import main"
"""In the command of Python's resource tracker and of its copies. One ends by itself when all that use it have ended, and
then unlinks the shared memory that they leave: killed together with them, it could not."""


def kill_group(leader: int) -> None:
    """Kill the processes of a group, but for resource trackers. Passes over what is gone already.

    Args:
        leader: the group's number; its leader must not be reaped yet, so that the number is not another's.
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
    folder = Path(f"/proc/{process}")
    for _ in range(100):
        try:
            command = (folder / "cmdline").read_bytes()
            if command:
                return _TRACKER in command
            (folder / "exe").readlink()  # which a zombie does not have
        except OSError:
            return False
        time.sleep(0.001)  # it is just being started: its command is not there yet
    return False


_EXPLAINED = {
    -signal.SIGKILL: "Somebody killed it: often the system, because memory ran out",
    -signal.SIGSEGV: "Native code crashed: a library of the model's",
}


def explain_end(code: int | None) -> str:
    """Return what is behind an exit code; the empty text if nothing is known."""
    return _EXPLAINED.get(code or 0, "")


def describe_end(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is not None and code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"


def has_ended(descriptor: int, timeout: float | None) -> bool:
    """Wait for so many seconds until the process of a pidfd has ended; return whether it has."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(None if timeout is None else max(0.0, timeout) * 1000))

"""The end of a process whose parent is gone, however that ended."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import threading


def die_with_parent(life_line: int) -> None:
    """End this process when the other end of a pipe closes, even while some library holds the GIL.

    Where the system can do so, the other processes of its group get SIGTERM.

    Args:
        life_line: descriptor of the pipe's reading end; its parent holds the other end for as long as it lives.
    """
    if hasattr(fcntl, "F_SETSIG"):
        # The kernel itself sends the signals. PR_SET_PDEATHSIG would do so already when the parent's *thread* ends.
        try:
            second = os.open(f"/proc/self/fd/{life_line}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no /proc
            _signal_at_end(life_line, -os.getpgrp(), signal.SIGKILL)
        else:
            _signal_at_end(life_line, os.getpid(), signal.SIGKILL)
            # To the whole group (a negative number): what the runnable has started ends too. Not killed: a resource
            # tracker passes over this signal, and tidies up after the others.
            _signal_at_end(second, -os.getpgrp(), signal.SIGTERM)
        poller = select.poll()
        poller.register(life_line, 0)
        if poller.poll(0):
            os.kill(0, signal.SIGKILL)  # it had closed before the signals were set up
        return

    def watch() -> None:
        os.read(life_line, 1)
        os._exit(1)

    threading.Thread(target=watch, name="tiffin:life-line", daemon=True).start()


def _signal_at_end(descriptor: int, to: int, number: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, to)
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, number)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)

"""What must not survive into a forked child: copies of descriptors that would hide this process's end from others."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Holds descriptors that belong to one process."""

    def close_after_fork(self) -> None:
        """Close this process's copies only; say nothing to the other side. Called in a new child."""


_held: weakref.WeakSet[Forkable] = weakref.WeakSet()


def close_in_forks(holder: Forkable) -> None:
    """Let `holder.close_after_fork` be called in every child that is forked from now on."""
    _held.add(holder)


def _close_after_fork() -> None:
    for holder in list(_held):
        holder.close_after_fork()


os.register_at_fork(after_in_child=_close_after_fork)

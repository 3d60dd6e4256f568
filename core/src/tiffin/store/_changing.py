"""Getting ready for a change of a store, and sweeping up before it what others have left, or deleted long ago."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from tiffin.config import trash_days
from tiffin.exceptions import ConfigError
from tiffin.store import _deleted
from tiffin.store._layout import Layout, disk_errors
from tiffin.store._staging import sweep

_AGAIN = 60.0
"""Seconds after which one store object looks into the trash again."""


@contextlib.contextmanager
def changing(layout: Layout) -> Iterator[None]:
    """Make the store ready for a change in the block: folders made, abandoned and old deleted work swept, errors told."""
    layout.prepare()
    with disk_errors(layout.root):
        sweep(layout)
        now = time.monotonic()
        if now >= layout.trash_due:
            layout.trash_due = now + _AGAIN
            if next(_deleted.entries(layout), None) is not None:
                with contextlib.suppress(ConfigError):  # told by whoever asks for the trash; until then all is kept
                    _deleted.sweep(layout, trash_days())
        yield

"""What is taken from inside `tiffin.store`."""

from __future__ import annotations

from tiffin.store import _arrivals, _changes, _publish, _rename, _scan, _staging
from tiffin.store._attestations import Attestations
from tiffin.store._catalog import VERSION
from tiffin.store._deleted import DAY, entries
from tiffin.store._journal import State, changing_name, read
from tiffin.store._layout import FORMAT
from tiffin.store._scan import make_entry
from tiffin.store._staging import Lock, sweep

__all__ = [
    "DAY",
    "FORMAT",
    "VERSION",
    "Attestations",
    "Lock",
    "State",
    "_arrivals",
    "_changes",
    "_publish",
    "_rename",
    "_scan",
    "_staging",
    "changing_name",
    "entries",
    "make_entry",
    "read",
    "sweep",
    "without_exchange",
]


def without_exchange() -> None:
    """Make the system one that can rename, but neither exchange two folders nor refuse to replace one."""
    _rename._system_call = lambda: None  # type: ignore[assignment]

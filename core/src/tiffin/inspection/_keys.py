"""The keys of a pickled dict, found without loading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiffin.inspection._inert import Fields, Unfollowable
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._machine import Machine
from tiffin.inspection._source import Source

_MAX_KEYS = 1000


def pickled_keys(path: Path) -> tuple[str, ...] | None:
    """Return the keys of the dict that a pickle holds, `None` where they cannot be told. Loads and runs nothing.

    Args:
        path: the file; one plain pickle.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        machine = _Keys(Source(stream), InspectionLimits(), set(), [])
        try:
            machine.run()
        except Unfollowable:
            return None
    keys = tuple(machine.keys)
    return keys if machine.is_sure and machine.last is machine.root and len(keys) <= _MAX_KEYS else None


class _Keys(Machine):
    """Follows a pickle, and keeps the keys of the dict that it begins with."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.root: Fields | None = None
        self.last: Any = self  # no value of the pickle's
        self.keys: dict[str, None] = {}
        self.is_sure = True

    def push(self, value: Any) -> None:
        """Push a value; the first dict is the one that counts."""
        if self.root is None and isinstance(value, Fields):
            self.root = value
        super().push(value)

    def set_items(self, items: list[Any]) -> None:
        """Set items, and keep their keys."""
        if self.root is None and isinstance(self.stack[-1], Fields):
            self.root = self.stack[-1]  # of protocol 0, which makes a dict of what stands on the stack
        if self.root is not None and self.stack[-1] is self.root:
            for key in items[::2]:
                if isinstance(key, str) and len(self.keys) <= _MAX_KEYS:
                    self.keys[key] = None
                else:
                    self.is_sure = False
        super().set_items(items)

    def consume(self, value: Any) -> None:
        """Note what goes into something; the last such value is the pickle's own."""
        super().consume(value)
        self.last = value

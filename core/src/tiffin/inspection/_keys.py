"""The keys of a pickled dict, found without loading it."""

from __future__ import annotations

from pathlib import Path

from tiffin.inspection._file import map_for_reading
from tiffin.inspection._parse import parse_pickle
from tiffin.inspection.tape import DICT, SET_ITEMS, Node, Tape, Unfollowable

_MAX_KEYS = 1000
_MAX_LENGTH = 256


def pickled_keys(path: Path) -> tuple[str, ...] | None:
    """Return the keys of the dict that a pickle holds, `None` where they cannot be told. Loads and runs nothing.

    Args:
        path: the file; one plain pickle of protocol 2 to 5.

    Raises:
        OSError: the file cannot be read.
    """
    tape = Tape()
    try:
        parse_pickle(tape, map_for_reading(path))
    except Unfollowable:
        return None
    root = tape.result
    if root.__class__ is not Node or root.kind != DICT:
        return None
    keys: dict[str, None] = {}
    for event, node, operands in tape.events:
        if node is root and event == SET_ITEMS:
            for key in operands[::2]:
                if type(key) is not str or len(key) > _MAX_LENGTH or len(keys) >= _MAX_KEYS:
                    return None
                keys[key] = None
    return tuple(keys)

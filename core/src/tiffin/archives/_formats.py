"""Archive formats: by what name or first bytes each is known."""

from __future__ import annotations

import re

from tiffin.exceptions import ArchiveError
from tiffin.showing import close_names

SUFFIXES = {
    ".tiffin": "tiffin",
    ".tar.zst": "tar.zst",
    ".tzst": "tar.zst",
    ".tar.gz": "tar.gz",
    ".tgz": "tar.gz",
    ".tar.xz": "tar.xz",
    ".txz": "tar.xz",
    ".tar.bz2": "tar.bz2",
    ".tar": "tar",
    ".zip": "zip",
}
"""How names end, and the format that each means."""

FORMATS = ("tiffin", "tar", "tar.zst", "tar.gz", "tar.xz", "zip", "folder")
"""The formats that are written. `tiffin` is tar.zst under a name of its own. Read are these, and tar.bz2."""

ONLY_READ = ("tar.bz2", "bentomodel")
"""Formats that are read and not written."""

_SHORT = {"tgz": "tar.gz", "gz": "tar.gz", "txz": "tar.xz", "xz": "tar.xz", "zst": "tar.zst", "bz2": "tar.bz2"}
"""Shorter names of formats."""

_ENDING = re.compile(r"[^/]\.([a-z][a-z0-9]{0,15}|7z)$")
"""What says at the end of a name which format a file has; "iris-1.0" ends in a version."""

COMPRESSION = {
    "tiffin": "zst",
    "tar.zst": "zst",
    "tar.gz": "gz",
    "tar.xz": "xz",
    "tar.bz2": "bz2",
    "tar": "",
    "zip": "",
}

_MAGIC = ((b"\x28\xb5\x2f\xfd", "tar.zst"), (b"\x1f\x8b", "tar.gz"), (b"\xfd7zXZ\x00", "tar.xz"), (b"BZh", "tar.bz2"))


def format_of_name(path: str) -> str | None:
    """Return the format that a path's or URL's end means, `None` where it means none."""
    name = path.lower().split("?", 1)[0]
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def unknown_ending(path: str) -> str:
    """Return the ending of a path or URL that stands for a format which is not written; empty where it has none."""
    found = None if format_of_name(path) in FORMATS else _ENDING.search(path.lower().split("?", 1)[0])
    return f".{found[1]}" if found else ""


def check_format(name: str, *, read: bool = False) -> str:
    """Return a format's name without its leading dot, if it can be written.

    Args:
        name: the format, or an ending.
        read: whether it is asked if the format can be read.

    Raises:
        ArchiveError: there is no such format.
    """
    kind = name.lower().lstrip(".")
    kind = _SHORT.get(kind, kind)
    known = (*FORMATS, *ONLY_READ) if read else FORMATS
    if kind not in known:
        close = close_names(kind, known, 1)
        raise ArchiveError(
            f"{name!r} is not a format of archives" + (" that is written" if kind in ONLY_READ else ""),
            why="Formats are " + ", ".join(known),
            fix=f"Did you mean {close[0]!r}?" if close and kind not in ONLY_READ else "",
            path="",
            member="",
        )
    return kind


def format_of_start(start: bytes) -> str | None:
    """Return the format that begins with these bytes, `None` where none does.

    Args:
        start: the first 512 bytes, or all where there are fewer.
    """
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if len(start) == 512 and start[257:262] == b"ustar":
        return "tar"
    return None

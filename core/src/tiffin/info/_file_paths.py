"""Paths of a model's files: what every system can hold and nobody can be harmed by; what desktops leave in folders."""

from __future__ import annotations

import unicodedata

_FOLDERS = frozenset({"__MACOSX", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", "$RECYCLE.BIN"})
_FILES = frozenset(
    {
        ".DS_Store",
        ".localized",
        ".directory",
        "Icon\r",
        "Thumbs.db",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "Desktop.ini",
    }
)


def is_system_file(path: str) -> bool:
    """Tell whether a file is called as those that Finder, Explorer and their like leave in what they show or pack.

    Args:
        path: its path, with "/" between its parts.
    """
    *folders, name = path.split("/")
    return name in _FILES or name.startswith("._") or name in _FOLDERS or not _FOLDERS.isdisjoint(folders)


class Paths:
    """The paths of one model's files so far, and the rules that the next one has to keep."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, str]] = {}
        self._files: set[str] = set()

    def add(self, path: str, *, folder: bool = False) -> str:
        """Take one more path; returns what is wrong with it, an empty text where nothing is.

        Args:
            path: the path, with "/" between its parts.
            folder: whether it is a folder's.
        """
        if not path or path.startswith("/"):
            return "its path is absolute"
        if path[0].isascii() and path[0].isalpha() and path[1:2] == ":":
            return f"its path begins with {path[:2]!r}, which is a drive on Windows"
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts):
            return "its path leads outside, or is not plain"
        if "\\" in path or any(unicodedata.category(character) == "Cc" for character in path):
            return "its path holds a backslash or a control character"
        try:
            lengths = [len(part.encode()) for part in parts]
        except UnicodeEncodeError:
            return "its path is not UTF-8"
        if sum(lengths) + len(parts) > 1024 or max(lengths) > 255:
            return "its path is too long"
        return self._collision(parts, folder=folder)

    def _collision(self, parts: list[str], *, folder: bool) -> str:
        place = ""
        for number, part in enumerate(parts, 1):
            place = f"{place}/{part}" if place else part
            kind = "file" if number == len(parts) and not folder else "folder"
            # One name to file systems that do not tell case, or composed letters from letters with marks, apart.
            key = unicodedata.normalize("NFD", unicodedata.normalize("NFD", place).casefold())
            before = self._seen.setdefault(key, (kind, place))
            if before != (kind, place):
                return f"it collides with {before[1]!r}"
            if kind == "file":
                if key in self._files:
                    return "it is there twice"
                self._files.add(key)
        return ""

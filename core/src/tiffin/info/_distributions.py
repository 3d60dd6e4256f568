"""Installed distributions: their names, versions and entry points, read from their metadata.

Where all of them are plain folders on the import path, as pip and its like make them, those are read here: to import and ask
`importlib_metadata` costs a new process 17 ms of a first load. Anything else is left to it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import PathFinder
from typing import NamedTuple, Protocol


class Distribution(Protocol):
    """An installed distribution, as far as it is looked at."""

    def read_text(self, filename: str, /) -> str | None:
        """Return the text of one of its metadata files, `None` where it has no such file."""


class _Folder(NamedTuple):
    path: str
    name: str

    def read_text(self, filename: str, /) -> str | None:
        try:
            # No path is made of it: a first load looks at hundreds, most of which are not there.
            with open(f"{self.path}/{self.name}/{filename}", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                return file.read()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None


def distributions(name: str | None = None, among: Sequence[Distribution] | None = None) -> Iterable[Distribution]:
    """Return the installed distributions, or those of one name; where several have one name, the first counts.

    Args:
        name: the name; `None` for all.
        among: all of them, as they were returned before; saves looking for them again.
    """
    folders = _plain_folders() if among is None else [one for one in among if isinstance(one, _Folder)]
    if folders is None or (among and not folders):
        import importlib_metadata

        return importlib_metadata.distributions(**({} if name is None else {"name": name}))
    wanted = None if name is None else _normal(name)
    return (folder for folder in folders if wanted is None or _normal(folder.name.partition("-")[0]) == wanted)


def _plain_folders() -> list[_Folder] | None:
    """Return the folders of metadata in the order of the import path, `None` where there may be distributions elsewhere."""
    if any(finder is not PathFinder and hasattr(finder, "find_distributions") for finder in sys.meta_path):
        return None
    found = []
    for entry in sys.path:
        try:
            names = os.listdir(entry or ".")  # noqa: PTH208
        except NotADirectoryError:
            return None  # an archive
        except OSError:
            continue
        if any(name.endswith((".egg-info", ".egg")) for name in names):
            return None
        # No paths are made of them: there are hundreds, which are looked through again for each plugin.
        found += [_Folder(entry or ".", name) for name in names if name.endswith(".dist-info")]
    return found


def _normal(name: str) -> str:
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))


@lru_cache(maxsize=256)
def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, `None` where it is not installed.

    Looks at the installed metadata and imports nothing of the distribution. Asked once per process, since each look costs
    up to a millisecond.
    """
    found = next(iter(distributions(distribution)), None)
    return name_and_version(found)[1] if found is not None else None


def name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Return what an installed distribution calls itself, and its version; empty where its metadata does not say."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines() if ": " in line)
    return head.get("Name", "").strip(), head.get("Version", "").strip()


def entry_points(distribution: Distribution, groups: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and target of each entry point of some groups, as in "tiffin", "toy", "tiffin_toy:adapter"."""
    group = ""
    for line in map(str.strip, (distribution.read_text("entry_points.txt") or "").splitlines()):
        if line.startswith("["):
            group = line[1:-1] if line.endswith("]") else ""
        elif group in groups and "=" in line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            yield group, name.strip(), target.strip()

"""The parts of a stored model that are loaded one by one, and their files that can run code.

What counts is what lies in the folder, not what the record lists: a folder that somebody copied in may hold more.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from tiffin import pickling
from tiffin.exceptions import PluginError
from tiffin.plugins import registry

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.plugins import AdapterInfo, CodeReader

OBJECTS = "custom_objects"
"""The folder of a version that holds its custom objects."""
_RECORD = "model.yaml"


class Part(NamedTuple):
    """What one adapter loads: the model itself, or one of its custom objects.

    Attributes:
        name: the custom object's name; empty for the model itself.
        framework: the adapter's name; empty where core's own pickling reads the part.
        folder: path below the version's folder; empty for the model itself.
    """

    name: str
    framework: str
    folder: str

    def is_usable(self) -> bool:
        """Tell whether the part's adapter is there and can be asked."""
        try:
            return not self.framework or self._info() is not None
        except PluginError:
            return False

    def patterns(self) -> Sequence[str] | None:
        """Return the glob patterns of the files that can run code; `None` stands for all."""
        info = self._info()
        return pickling.CODE_FILES if info is None else info.code_files

    def reader(self, path: str) -> CodeReader | None:
        """Return how a code file is read, as `AdapterInfo.code_readers` says it; `None` where that cannot be told."""
        info = self._info()
        readers: Mapping[str, CodeReader] = (
            dict.fromkeys(pickling.CODE_FILES, "pickle") if info is None else info.code_readers
        )
        return next((reader for pattern, reader in readers.items() if fits(path, (pattern,))), None)

    def builds(self) -> bool:
        """Tell whether whoever loads the part can leave its code files to core."""
        return not self.framework or registry().adapter(self.framework).builds

    def asks(self) -> bool:
        """Tell whether whoever loads the part asks if it is trusted, although none of its files can run code."""
        info = self._info()
        return info is not None and not info.code_files and info.code_files is not None and self.builds()

    def _info(self) -> AdapterInfo | None:
        return registry().adapter(self.framework).info if self.framework else None


def main_part(info: ModelInfo) -> Part:
    """Return the part that is the model itself."""
    return Part("", info.framework, "")


def object_part(info: ModelInfo, name: str) -> Part:
    """Return the part that is one custom object."""
    entry = info.custom_objects[name]
    return Part(name, entry.framework, entry.path)


def code_files(version: str, part: Part) -> list[str]:
    """Return the paths, below the version's folder, of the part's files that can run code.

    Args:
        version: the version's folder.
        part: the part.
    """
    patterns = part.patterns()
    if patterns is not None and not patterns:
        return []
    below = len(part.folder) + 1 if part.folder else 0
    return [path for path in files_of(version, part) if patterns is None or fits(path[below:], patterns)]


def files_of(version: str, part: Part) -> Iterator[str]:
    """Yield the paths, below the version's folder, of all that the part's adapter may read; links included."""
    pending = [part.folder]
    while pending:
        folder = pending.pop()
        try:
            entries = list(os.scandir(f"{version}/{folder}"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if path != OBJECTS:
                    pending.append(path)
            elif path != _RECORD:
                yield path


def fits(path: str, patterns: Sequence[str]) -> bool:
    """Tell whether a path fits one of the patterns, as it would on a file system that does not tell cases apart."""
    key = unicodedata.normalize("NFC", path).casefold()
    return any(fnmatchcase(key, pattern.casefold()) for pattern in patterns)

"""Records on disk: model.yaml of one version, read with its stamp and replaced whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tiffin._model import Stamp
from tiffin.exceptions import ModelNotFoundError, RecordError
from tiffin.store._layout import Layout

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of the record at `path`, `None` where there is none."""
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Stamp(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def read(layout: Layout, name: str, version: str) -> tuple[ModelInfo, Stamp]:
    """Read one version's record.

    Raises:
        ModelNotFoundError: there is no such version.
        RecordError: there is a folder without a valid record.
    """
    from tiffin.info import parse_record

    path = layout.record(name, version)
    try:
        with open(path, "rb") as file:
            text = file.read()
            stat = os.fstat(file.fileno())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if os.path.lexists(os.path.dirname(path)):
            raise RecordError(
                f"{os.path.dirname(path)} is not a model: it has no model.yaml",
                why="Only what Tiffin saved, imported or pulled belongs into the store",
                fix="Move the folder elsewhere, or delete it",
                path=path,
            ) from error
        raise ModelNotFoundError(f"Model '{name}:{version}' was not found", tag=f"{name}:{version}") from error
    except PermissionError as error:
        raise RecordError(f"The record {path} may not be read", fix="Ask its owner", path=path) from error
    info = parse_record(text, path)
    if (info.name, info.version) != (name, version):
        raise RecordError(
            f"The record {path} is that of '{info.tag}'",
            why="The folder was renamed or copied by hand",
            fix=f"Rename it back to {info.name}/{info.version}, or delete it",
            path=path,
        )
    return info, Stamp(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def write(path: str, info: ModelInfo) -> None:
    """Write a record to a new file and sync it."""
    from tiffin.info import render_record

    text = render_record(info)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with open(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)

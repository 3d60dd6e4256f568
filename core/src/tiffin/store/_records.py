"""Records on disk: model.yaml of one version, read with its stamp and replaced whole."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from tiffin.exceptions import ModelNotFoundError, RecordError
from tiffin.files import denial
from tiffin.model import Stamp
from tiffin.store._layout import Layout

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What says nothing about a record, but that this process or machine is at its limits."""
_TRIES = 5
"""Times that a record is looked for in a folder that is there."""


def stamp_of(path: str, folder: int | None = None) -> Stamp | None:
    """Return the stamp of the record at `path`, `None` where there is none that can be looked at.

    Args:
        path: where it is; from `folder`, an open folder's descriptor, if that is given.
        folder: see `path`.
    """
    try:
        return _stamp(os.stat(path, dir_fd=folder))
    except OSError as error:
        if error.errno in _OURS:
            raise
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def read(layout: Layout, name: str, version: str) -> tuple[ModelInfo, Stamp]:
    """Read one version's record.

    Raises:
        ModelNotFoundError: there is no such version.
        RecordError: there is a folder without a valid record.
    """
    from tiffin.info import parse_record

    path = layout.record(name, version)
    for attempt in range(_TRIES):
        try:
            text, status = _read(path)
            break
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if not os.path.isdir(os.path.dirname(path)):
                raise ModelNotFoundError(f"Model '{name}:{version}' was not found", tag=f"{name}:{version}") from error
            # Where folders cannot be exchanged in one step, another version may have come into place since.
            if attempt == _TRIES - 1:
                raise RecordError(
                    f"{os.path.dirname(path)} is not a model: it has no model.yaml",
                    why="Only what Tiffin saved, imported or pulled belongs into the store",
                    fix="Move the folder elsewhere, or delete it",
                    path=path,
                ) from error
        except OSError as error:
            if error.errno in _OURS:
                raise
            whose, owner = denial(error) if isinstance(error, PermissionError) else ("", "")
            raise RecordError(
                f"The record {path} cannot be read ({error.strerror})",
                why=whose,
                fix=f"Ask {owner} to let you read it" if owner else "Look at the disk",
                path=path,
            ) from error
    info = parse_record(text, path)
    if (info.name, info.version) != (name, version):
        raise RecordError(
            f"The record {path} is that of '{info.tag}'",
            why="The folder was renamed or copied by hand",
            fix=f"Rename it back to {info.name}/{info.version}, or delete it",
            path=path,
        )
    return info, _stamp(status)


def _read(path: str) -> tuple[bytes, os.stat_result]:
    # Opening a pipe or a device that somebody put there must not block.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file", path)
        return file.read(), status


def text_of(path: str) -> bytes | None:
    """Return what a record's file holds, valid or not; `None` where there is no file that can be read."""
    try:
        return _read(path)[0]
    except OSError:
        return None


def digests_below(folder: str) -> set[str]:
    """Return the digests of the files that the record in `folder` lists; none where it is not valid."""
    from tiffin.info import parse_record

    path = f"{folder}/model.yaml"
    try:
        return {entry.sha256 for entry in parse_record(_read(path)[0], path).files.values()}
    except (OSError, RecordError):
        return set()  # gc finds its blobs


def content_below(folder: str) -> str | None:
    """Return the content digest that the record in `folder` has; `None` where that is not valid."""
    from tiffin.info import parse_record

    path = f"{folder}/model.yaml"
    try:
        return parse_record(_read(path)[0], path).content_digest
    except (OSError, RecordError):
        return None


def mark_of(text: bytes) -> str:
    """Return by what the journal knows a record again."""
    return hashlib.sha256(text).hexdigest()[:16]


def write(layout: Layout, path: str, info: ModelInfo) -> tuple[Stamp, str]:
    """Write a record to a new file and sync it; returns its stamp, which a rename does not change, and its mark."""
    from tiffin.info import render_record

    text = render_record(info)
    return _stamp(layout.modes().write(path, text, new=True)), mark_of(text)

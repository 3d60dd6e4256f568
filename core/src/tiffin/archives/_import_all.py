"""Import of every model below a folder: another tool's store, or the folder in which it tracks what it made."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import attrs

from tiffin.archives._import import import_model
from tiffin.archives._limits import Limits
from tiffin.archives._recognising import read_above
from tiffin.archives._rules import Checks
from tiffin.exceptions import ArchiveError, NotKeptWarning, ReadOnlyStoreError, StorageFullError, TiffinError
from tiffin.info import RECORD_NAME
from tiffin.model import Model
from tiffin.places import Progress
from tiffin.plugins import foreign_tools
from tiffin.store import ModelStore


@attrs.frozen
class Came:
    """A model that was imported from a folder of many.

    Attributes:
        path: its folder, below the one that was looked through.
        model: the new version.
        lost: what is not kept of it, as phrases.
    """

    path: str
    model: Model
    lost: Sequence[str]


@attrs.frozen
class Left:
    """A model that was not imported from a folder of many.

    Attributes:
        path: its folder, below the one that was looked through.
        reason: why.
    """

    path: str
    reason: TiffinError


@attrs.frozen
class ImportReport:
    """What became of the models below a folder.

    Attributes:
        came: those that were imported.
        left: those that were not.
    """

    came: Sequence[Came]
    left: Sequence[Left]


def import_all(
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    as_files: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    store: ModelStore,
) -> ImportReport:
    """Import each model below a folder that is a folder itself, as a store of another tool has them. Links are not followed.

    A model that cannot be imported is left, with the reason, and the next one is looked at.

    Args:
        folder: where to look, at any depth.
        force, as_files, limits, progress: as for one model, see `import_model`; limits count for each.
        store: the store.

    Returns:
        What came, what was lost of it, and what was left.

    Raises:
        ArchiveError: it is no folder, or holds no model that an installed plugin knows.
        StorageFullError, ReadOnlyStoreError: the store's disk refused; what came before stays.
    """
    base = Path(folder).expanduser().absolute()
    came: list[Came] = []
    left: list[Left] = []
    for path, where in _models(base, limits or Limits()):
        try:
            name = where if isinstance(where, str) else _raise(where)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = import_model(
                    path,
                    name=name or None,
                    force=force,
                    as_files=as_files,
                    limits=limits,
                    progress=progress,
                    store=store,
                )
        except (StorageFullError, ReadOnlyStoreError):
            raise
        except TiffinError as error:
            left.append(Left(path.relative_to(base).as_posix(), error))
        else:
            lost = [text for one in caught if isinstance(one.message, NotKeptWarning) for text in one.message.lost]
            came.append(Came(path.relative_to(base).as_posix(), model, tuple(lost)))
    if not came and not left:
        raise ArchiveError(
            f"There is no model below {base}" if base.is_dir() else f"{base} is no folder",
            why="A model is a folder with the record of a tool that an installed plugin knows",
            fix="Name the folder of the tool's store; 'tiffin plugins list' shows the plugins",
            path=str(base),
            member="",
        )
    return ImportReport(tuple(came), tuple(left))


def _models(base: Path, limits: Limits) -> Iterator[tuple[Path, str | TiffinError]]:
    """Yield the folder of each model, and the tag that it has by where it lies, "" if none, or why that cannot be told."""
    tools = foreign_tools()
    for parent, folders, files in os.walk(base):
        folders.sort()
        found = [tool for tool in tools if tool.record in files]
        if not found and RECORD_NAME not in files:
            continue
        folders.clear()
        path = Path(parent)
        try:
            above = read_above(path.parent, {name for tool in found for name in tool.above}, Checks(str(path), limits))
            yield path, next(filter(None, (tool.tag_at(PurePosixPath(path), above) for tool in found)), "")
        except TiffinError as error:
            yield path, error


def _raise(error: TiffinError) -> str:
    raise error

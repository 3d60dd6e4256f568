"""Where a file or folder of a version lies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tiffin.exceptions import StoreError


def path_of(item: str | os.PathLike[str], folder: Path, what: str, files: Iterable[str] | None = None) -> Path:
    """Return the path of a file or folder of a version.

    Args:
        item: path below the version's folder; "/" before and behind it does not count, and alone it is the folder itself.
        folder: the version's folder.
        what: what has the folder, for errors: "The model 'iris:1'".
        files: the files that are there; `None` where any may still be written.

    Raises:
        StoreError: the path leads outside of the folder, or there is neither such a file nor a folder with files.
    """
    relative = PurePosixPath(os.fspath(item).strip("/"))
    if ".." in relative.parts:
        raise StoreError(
            f"{os.fspath(item)!r} leads outside of the folder",
            why=f"{what} has only what lies below it",
            path=str(folder / relative),
        )
    text = str(relative)
    known = None if files is None or text == "." else [*files]
    if known is not None and text not in known and not any(file.startswith(f"{text}/") for file in known):
        raise StoreError(
            f"{what} has no file or folder {text!r}",
            why="It has " + (", ".join(sorted(known)[:10]) or "none"),
            path=str(folder / relative),
        )
    return folder / relative

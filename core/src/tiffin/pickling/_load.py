"""Reading an object back."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from tiffin.exceptions import PicklingError
from tiffin.pickling._index import Index, check_name, index_file, stream_file
from tiffin.pickling._map import map_file
from tiffin.pickling._unpickler import Unpickler


def load(folder: str | os.PathLike[str], *, name: str = "model") -> Any:
    """Return the object that `dump` wrote into `folder` under `name`. Runs code that the pickle names or holds.

    Buffers in files of their own are mapped, not read: arrays in them are there at once, writable where they were, and
    share their pages with other processes until written to. Writing to them never changes the files. The files may be
    deleted afterwards, but must not be shortened or overwritten in place.

    Args:
        folder: the folder that holds the files.
        name: what the files are called after.

    Raises:
        PicklingError: a file is missing or damaged, a module or class that the object needs cannot be imported, or its
            own code failed; the cause is chained. Attributes: `path`, the file concerned, and, if a module is missing,
            `module`.
    """
    path = Path(folder, stream_file(check_name(name)))
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise _missing(path, f"The folder holds no pickle named {name!r}") from error
    with file:
        buffers = map_buffers(folder, name, os.fstat(file.fileno()).st_size)
        try:
            return Unpickler(file, buffers=buffers).load()
        except PicklingError:
            raise
        except Exception as error:
            # A damaged stream, and the code of the objects in it, may raise anything.
            raise _explain(error, path) from error


def load_item(folder: str | os.PathLike[str], item: str) -> Any:
    """Return one item of the dict that was pickled into `folder`. Runs code that the pickle names or holds.

    Args:
        folder: the folder that holds the files.
        item: the item's key.

    Raises:
        PicklingError: as for `load`; or it is no dict, or has no such item.
    """
    loaded = load(folder)
    if not isinstance(loaded, dict) or item not in loaded:
        raise _broken(Path(folder, stream_file("model")), f"It has no item {item!r}")
    return loaded[item]


def map_buffers(
    folder: str | os.PathLike[str], name: str, stream_size: int, *, apart: bool = False
) -> list[memoryview] | None:
    """Return the buffers that lie outside of a pickle's stream, mapped, in order; `None` where it has none.

    Args:
        folder: the folder that holds the files.
        name: what the files are called after.
        stream_size: bytes of the stream.
        apart: for files of a stranger: refuse links and special files, and buffers that share bytes.

    Raises:
        PicklingError: a file is missing or damaged, or is not what it must be.
    """
    path = Path(folder, index_file(name))
    if not path.exists():
        return None
    folder = path.parent
    if apart and (path.is_symlink() or not path.is_file()):
        raise _broken(path, "It is a link or a special file")
    index = Index.from_file(path, name)
    if stream_size != index.stream:
        stream = folder / stream_file(name)
        raise _broken(stream, f"It has {stream_size} bytes, where '{path.name}' says {index.stream}")
    if apart:
        _check_apart(folder, index, path)
    views: list[memoryview] = []
    for file, size in index.files:
        try:
            views.append(map_file(folder / file, size))
        except FileNotFoundError as error:
            raise _missing(folder / file, f"'{path.name}' lists it") from error
        except OSError as error:  # a process has some ten thousand mappings
            raise _broken(path, f"Its file '{file}' cannot be mapped: {error.strerror}") from error
    return [views[number][offset : offset + length] for number, offset, length in index.buffers]


def _check_apart(folder: Path, index: Index, path: Path) -> None:
    files = [file for file, _ in index.files]
    if len(set(files)) < len(files) or not all(size for _, size in index.files):
        raise _broken(path, "It lists a file twice, or an empty one")
    for file in files:
        if (folder / file).is_symlink() or ((folder / file).exists() and not (folder / file).is_file()):
            raise _broken(folder / file, "It is a link or a special file")
    ends: dict[int, int] = {}
    for number, offset, length in sorted(index.buffers):
        if offset < ends.get(number, 0):
            raise _broken(path, "Two of its buffers share bytes")
        ends[number] = offset + length


def _explain(error: Exception, path: Path) -> PicklingError:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return PicklingError(
            f"The pickle '{path}' needs the module {error.name!r}, which is not installed",
            fix=f"Install the package that provides {top!r}, in the version that the model was saved with; if {top!r} "
            "is code of your own, put it on the import path, or save the model with it among the external modules",
            path=str(path),
            module=error.name,
        )
    if isinstance(error, (ImportError, AttributeError)):
        return PicklingError(
            f"The pickle '{path}' cannot be loaded ({error})",
            why="A package that it needs has changed, or is broken",
            fix="Install the packages in the versions that the model was saved with",
            path=str(path),
        )
    if isinstance(error, (EOFError, pickle.UnpicklingError)):
        return _broken(path, f"{type(error).__name__}: {error}")
    if isinstance(error, MemoryError):
        return PicklingError(
            f"There is not enough memory for the pickle '{path}'",
            why="The object is larger than what is free, or the file is damaged and asks for a wrong amount",
            fix="Compare the model's digests; if they are right, load it where there is more memory",
            path=str(path),
        )
    return PicklingError(
        f"The pickle '{path}' cannot be loaded ({type(error).__name__}: {error})",
        why="The code that rebuilds an object in it failed, or the file is damaged",
        fix="Look at the cause above; install the packages in the versions that the model was saved with",
        path=str(path),
    )


def _missing(path: Path, why: str) -> PicklingError:
    return PicklingError(
        f"The file '{path}' is missing", why=why, fix="Restore it from a copy of the model", path=str(path)
    )


def _broken(path: Path, why: str) -> PicklingError:
    return PicklingError(
        f"The pickle '{path}' is damaged", why=why, fix="Restore it from a copy of the model", path=str(path)
    )

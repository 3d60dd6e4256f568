"""Writing an object: the stream, its buffers, and the index."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import PicklingError
from tiffin.files import record_written
from tiffin.pickling._index import (
    ALIGNMENT,
    OWN_FILE,
    Index,
    buffer_file,
    check_name,
    index_file,
    pack_file,
    stream_file,
)

if TYPE_CHECKING:
    from tiffin.pickling._functions import Reducer
    from tiffin.pickling._pickler import BufferPickler, Content


def dump(
    obj: Any,
    folder: str | os.PathLike[str],
    *,
    name: str = "model",
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
) -> None:
    """Pickle `obj` into new files in `folder`, and make them durable.

    Arrays and other large buffers go into files of their own, without being copied in memory first; a model with
    little data is the one file `<name>.pkl`. What is defined in the running script or notebook (`__main__`), and
    lambdas, local functions and classes, and what no import finds, are stored by value, all else by name. Whoever collects
    digests of written files is told each one's. The folder itself is not synced.

    Args:
        obj: the object.
        folder: an existing folder.
        name: what the files are called after.
        reducers: how to pickle objects of some classes, and of their subclasses: class → a function that takes the object
            and returns what `__reduce_ex__` would, or `NotImplemented`. An array or a `pickle.PickleBuffer` in it lies
            beside the stream and is mapped at load.

    Raises:
        PicklingError: the object, or something in it, cannot be pickled: the message says what, and where if that can
            be found (attributes `type_name` and `where`). Or the folder already holds a pickle of this name. Files
            written so far are removed.
        OSError: a file cannot be written. Files written so far are removed.
    """
    from tiffin.pickling._write import sync_files

    folder = Path(folder)
    check_name(name)
    created: list[Path] = []
    try:
        digests = _write(obj, folder, name, created, reducers)
        sync_files(created)
    except BaseException as error:
        for path in created:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise PicklingError(
                f"The folder '{folder}' already holds a pickle named {name!r}",
                why="Its files may be in use by programs that have loaded it",
                fix="Give each object that goes into one folder a name of its own",
            ) from error
        raise
    # Here and not in the threads that write: the ledger belongs to the caller's context, which they do not have.
    for path, digest in digests.items():
        record_written(path, digest, synced=True)


def dumps(obj: Any) -> bytes:
    """Return `obj` pickled as one string of bytes, by the rules of `dump`, for processes that this one starts.

    `pickle.loads` reads it, in the same minor version of Python.

    Raises:
        PicklingError: as for `dump`.
    """
    import io

    from tiffin.pickling._pickler import BufferPickler

    stream = io.BytesIO()
    _pickle(BufferPickler(stream, inline=True), obj, "object", None)
    return stream.getvalue()


def _write(
    obj: Any, folder: Path, name: str, created: list[Path], reducers: Mapping[type, Reducer] | None
) -> dict[Path, str]:
    from tiffin.pickling._pickler import BufferPickler, Content
    from tiffin.pickling._write import HashedFile, write_files

    path = folder / stream_file(name)
    stream = HashedFile(path, created)
    try:
        contents = _pickle(BufferPickler(stream, reducers), obj, name, reducers)
    except BaseException:
        stream.abandon()
        raise
    digests = {path: stream.close()}
    if contents:
        index, files = _lay_out(contents, name)
        index.stream = stream.size
        record = index.to_bytes()
        files[index_file(name)] = Content(len(record), (record,))
        digests |= write_files({folder / file: content for file, content in files.items()}, created)
    return digests


def _pickle(pickler: BufferPickler, obj: Any, name: str, reducers: Mapping[type, Reducer] | None) -> list[Content]:
    try:
        return pickler.collect(obj)
    except (OSError, MemoryError, PicklingError):
        raise
    except Exception as error:
        # Whatever class an object's own reduce method may raise, the user needs to know which object it was.
        from tiffin.pickling._culprit import explain

        raise explain(error, obj, name, reducers) from error


def _lay_out(contents: list[Content], name: str) -> tuple[Index, dict[str, Content]]:
    """Return the index, which lacks the stream's size, and what each buffer file shall hold."""
    from tiffin.pickling._pickler import Content

    index = Index()
    files: dict[str, Content] = {}
    packed: list[Any] = []
    packed_at: list[int] = []
    end = 0
    for content in contents:
        if content.size >= OWN_FILE:
            file = buffer_file(name, len(files))
            index.buffers.append((len(files), 0, content.size))
            files[file] = content
        else:
            gap = -end % ALIGNMENT
            packed += [bytes(gap), *content.pieces]
            packed_at.append(len(index.buffers))
            index.buffers.append((0, end + gap, content.size))
            end += gap + content.size
    # The pack comes last, so that its size does not shift the numbers of the others.
    for number in packed_at:
        _, offset, length = index.buffers[number]
        index.buffers[number] = (len(files), offset, length)
    if packed:
        files[pack_file(name)] = Content(end, packed)
    index.files = [(file, content.size) for file, content in files.items()]
    return index, files

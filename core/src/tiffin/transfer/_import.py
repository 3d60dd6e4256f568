"""Import: an archive becomes a stored version, once all of it has been checked."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from tiffin._files import WriteLedger
from tiffin._model import Model
from tiffin.exceptions import DamagedArchiveError, RecordError
from tiffin.info import RECORD_NAME, ModelInfo, parse_record
from tiffin.store import ModelStore
from tiffin.tags import Tag
from tiffin.transfer._formats import format_of_start
from tiffin.transfer._limits import Limits
from tiffin.transfer._places import compose, is_url, open_source, redact
from tiffin.transfer._progress import Progress, Silent
from tiffin.transfer._read import Entry, Reader
from tiffin.transfer._write import PIECE

_MAX_RECORD = 64 << 20


def import_model(
    path: str | os.PathLike[str],
    input_format: str | None = None,
    *,
    name: str | Tag | None = None,
    subpath: str | None = None,
    protocol: str | None = None,
    user: str | None = None,
    passwd: str | None = None,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    store: ModelStore,
) -> Model:
    """Read one archive or folder that `export_model` wrote, and store it as a version.

    Streams: holds no more than some MiB in memory and makes no second copy on disk. Everything is checked before the
    version is published; an error leaves the store as it was.

    Args:
        path: a file, a folder, or a URL that fsspec opens.
        input_format: not needed: archives are known by their first bytes. Kept for programs written for BentoML.
        name: another name, or `name:version`, to store it under.
        subpath, protocol, user, passwd: parts of a URL, where `path` is not one.
        params: options of the fsspec file system.
        force: whether a version that exists is replaced, in one step.
        limits: how much the archive may unpack to.
        progress: told how far it is.
        store: the store.

    Returns:
        A handle on the new version. It is not trusted: see `tiffin.Model.load`.

    Raises:
        UnsafeArchiveError: a member of the archive was refused; it is named.
        DamagedArchiveError: the archive is cut off or damaged, or holds other content than its record says.
        ArchiveError: it cannot be read.
        ModelExistsError: the version exists, and `force` is false.
        StorageFullError, ReadOnlyStoreError: the store's disk refused.
    """
    source = compose(path, protocol=protocol, user=user, passwd=passwd, subpath=subpath)
    reader = Reader(redact(source), limits or Limits())
    progress = progress or Silent()
    with _entries(source, reader, params, progress) as entries, store.changing() as folder:
        unpacking = _Unpacking(folder, reader, progress)
        for entry in entries:
            unpacking.add(entry)
        info, ledger = unpacking.finish()
        info = _renamed(info, name)
        return store.adopt(folder, info, ledger, origin=f"imported from {redact(source)}", overwrite=force)


def _renamed(info: ModelInfo, name: str | Tag | None) -> ModelInfo:
    if name is None:
        return info
    tag = Tag.parse(name)
    return attrs.evolve(info, name=tag.name, version=tag.version or info.version)


@contextlib.contextmanager
def _entries(
    source: str, reader: Reader, params: Mapping[str, Any] | None, progress: Progress
) -> Iterator[Iterator[Entry]]:
    what = f"Importing {os.path.basename(redact(source).rstrip('/'))}"
    if not is_url(source) and os.path.isdir(os.path.expanduser(source)):
        progress.start(what, None)
        yield reader.read_folder(Path(source).expanduser())
        return
    with open_source(source, params) as file, contextlib.ExitStack() as stack:
        progress.start(what, None)
        seekable: Any = file
        start = file.read(512)
        if format_of_start(start) == "zip" and not file.seekable():
            # A zip's list of members stands at its end; where the source cannot go there, keep it on disk for the moment.
            spool = stack.enter_context(tempfile.TemporaryFile())
            spool.write(start)
            while piece := file.read(PIECE):
                spool.write(piece)
            seekable = spool
            seekable.seek(0)
        elif file.seekable():
            file.seek(0)
        else:
            seekable = _Again(start, file)
        yield reader.read(seekable)


class _Again:
    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = io.BytesIO(start)
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        return self._start.read(size) or self._rest.read(size)


class _Unpacking:
    """Unpacks entries into a staging folder, and compares them with the record."""

    def __init__(self, folder: str, reader: Reader, progress: Progress) -> None:
        self.folder = folder
        self.reader = reader
        self.progress = progress
        self.info: ModelInfo | None = None
        self.found: dict[str, tuple[int, str]] = {}
        self.ledger = WriteLedger()
        self.unpacked = 0

    def add(self, entry: Entry) -> None:
        """Unpack one entry."""
        if entry.path == RECORD_NAME:
            self._read_record(entry)
            return
        limit = entry.size
        if self.info is not None:
            listed = self.info.files.get(entry.path)
            if listed is None:
                raise self.reader.refuse(entry.path, "model.yaml does not list it")
            if listed.size != entry.size:
                raise self.reader.refuse(entry.path, f"it states {entry.size} bytes, and model.yaml {listed.size}")
        path = f"{self.folder}/{entry.path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        digest = hashlib.sha256()
        size = 0
        with open(path, "xb", buffering=0) as file:
            for piece in _pieces(entry.stream):
                size += len(piece)
                self.unpacked += len(piece)
                if size > limit:
                    raise self.reader.refuse(entry.path, f"it is longer than the {limit} bytes that it states")
                self.reader.check_ratio(entry.path, self.unpacked)
                digest.update(piece)
                file.write(piece)
                self.progress.advance(len(piece))
            os.fsync(file.fileno())
        if size != entry.size:
            raise self.reader.damaged(f"it has {size} of {entry.size} bytes", entry.path)
        self.found[entry.path] = size, digest.hexdigest()
        self.ledger.record(path, digest.hexdigest(), synced=True)

    def _read_record(self, entry: Entry) -> None:
        if entry.size > _MAX_RECORD:
            raise self.reader.refuse(entry.path, f"a record of {entry.size} bytes")
        try:
            info = parse_record(entry.stream.read(_MAX_RECORD + 1), f"{RECORD_NAME} of {self.reader.path}")
        except RecordError as error:
            raise self.reader.damaged(error.what, RECORD_NAME) from error
        if info.edited:
            raise self.reader.damaged("it was changed after it was written", RECORD_NAME)
        if info.content_digest != info.compute_digest():
            raise self.reader.damaged("its content digest is not that of its content", RECORD_NAME)
        self.info = info

    def finish(self) -> tuple[ModelInfo, WriteLedger]:
        """Compare what was unpacked with the record; returns the record and the digests."""
        if self.info is None:
            raise DamagedArchiveError(
                f"{self.reader.path} holds no {RECORD_NAME}",
                why="It is not a model that Tiffin exported, or it is cut off",
                path=self.reader.path,
                member=RECORD_NAME,
            )
        for path in self.info.files.keys() - self.found.keys():
            raise self.reader.damaged("the file is missing", path)
        for path, (size, sha256) in self.found.items():
            listed = self.info.files.get(path)
            if listed is None:
                raise self.reader.refuse(path, "model.yaml does not list it")
            if (listed.size, listed.sha256) != (size, sha256):
                raise self.reader.damaged("its content is not what model.yaml says", path)
        return self.info, self.ledger


def _pieces(stream: Any) -> Iterator[bytes]:
    read: Callable[[int], bytes] = stream.read
    while piece := read(PIECE):
        yield piece

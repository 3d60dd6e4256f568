"""Import: an archive becomes a stored version, once all of it has been checked."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from tiffin.archives._attested import is_attestation, read_attestation
from tiffin.archives._exemplified import is_examples, read_examples
from tiffin.archives._formats import check_format
from tiffin.archives._limits import Limits
from tiffin.archives._placing import place
from tiffin.archives._reader import Reader
from tiffin.archives._recognising import Found, find_foreign, is_foreign_record
from tiffin.archives._rules import Entry
from tiffin.exceptions import ArchiveError, DamagedArchiveError, ModelExistsError, NotKeptWarning, RecordError
from tiffin.files import WriteLedger, start_writeback
from tiffin.info import MAX_RECORD, RECORD_NAME, ModelInfo, is_system_file, read_foreign_record
from tiffin.model import Model
from tiffin.places import PIECE, WRITEBACK, Digest, Progress, Silent, compose, is_url, open_source, redact, write_all
from tiffin.showing import shown
from tiffin.store import ModelStore
from tiffin.tags import Tag

_SHOWN = 5
"""Files that are named where some are passed over."""


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
    as_files: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    store: ModelStore,
) -> Model:
    """Read one archive or folder that `export_model` wrote, or a tool that a plugin reads, and store it as a version.

    Streams: holds no more than some MiB in memory and makes no second copy on disk. Everything is checked before the
    version is published; an error leaves the store as it was.

    Args:
        path: a file, a folder, or a URL that fsspec opens.
        input_format: not needed: archives are known by their first bytes. Kept for programs that give one that is read.
        name: another name, or `name:version`, to store it under.
        subpath, protocol, user, passwd: parts of a URL, where `path` is not one.
        params: options of the fsspec file system.
        force: whether a version that exists is replaced, in one step.
        as_files: whether another tool's model becomes a raw folder of files, which no adapter has to know.
        limits: how much the archive may unpack to.
        progress: told how far it is.
        store: the store.

    Returns:
        A handle on the new version. It is not trusted: see `tiffin.Model.load`.

    Raises:
        UnsafeArchiveError: a member of the archive was refused; it is named.
        DamagedArchiveError: the archive is cut off or damaged, or holds other content than its record says.
        ForeignModelError: another tool wrote it, and no installed plugin knows it, no adapter reads it, or it has no name.
        ArchiveError: it cannot be read.
        ModelExistsError: the version exists, and `force` is false.
        StorageFullError, ReadOnlyStoreError: the store's disk refused.

    Warns:
        NotKeptWarning: another tool wrote it, and some of what it said is not kept; or there are files of Finder or Explorer,
            which are passed over.
    """
    source = compose(path, protocol=protocol, user=user, passwd=passwd, subpath=subpath, params=params)
    if input_format:
        check_format(input_format, read=True)
    _check_outside(source, store)
    reader = Reader(redact(source), limits or Limits())
    progress = progress or Silent()
    with _entries(source, reader, params) as entries, store.changing() as folder:
        unpacking = _Unpacking(folder, reader, progress, lambda info: _claim(store, _renamed(info, name), force=force))
        for entry in entries:
            unpacking.add(entry)
        unpacking.tidy()
        origin = f"imported from {redact(source)}"
        foreign = unpacking.find_foreign()
        if foreign is None:
            info, ledger = unpacking.finish()
            info = _renamed(info, name)
            _claim(store, info, force=force)
            store.take_attestations(info, unpacking.attestations.items())
            store.take_examples(info, unpacking.examples, "The file of examples")
            model = store.adopt(folder, info, ledger, origin=origin, overwrite=force)
            unpacking.warn()
            return model
        digests = {path: sha256 for path, (_, sha256) in unpacking.found.items()}
        placed = place(foreign, folder, digests, reader, name=name, as_files=as_files)
        _claim(store, placed.info, force=force)
        model = store.adopt(folder, placed.info, placed.ledger, origin=f"{origin}, {placed.origin}", overwrite=force)
    unpacking.warn()
    if placed.lost:
        _warn(model, placed.lost)
    return model


def _check_outside(source: str, store: ModelStore) -> None:
    if is_url(source):
        return
    folder, own = os.path.realpath(os.path.expanduser(source)), os.path.realpath(store.path)
    if os.path.commonpath([folder, own]) == folder:
        raise ArchiveError(
            f"{source} holds the store itself",
            why="What is imported is written into the store, so this would not come to an end",
            fix=f"Name one version: {source.rstrip('/')}/…/models/NAME/VERSION",
            path=source,
            member="",
        )


def _warn(model: Model, lost: tuple[str, ...]) -> None:
    text = f"Not kept of what model '{model.tag}' had:" + "".join(f"\n  - {phrase}" for phrase in lost)
    warnings.warn(NotKeptWarning(text, lost), stacklevel=4)


def _claim(store: ModelStore, info: ModelInfo, *, force: bool) -> None:
    try:
        store.check_free(info.tag, overwrite=force)
    except ModelExistsError as error:
        fix = "Import it under another version (--as NAME:VERSION)" + (
            "" if force else ", or pass force=True (--force)"
        )
        raise ModelExistsError(
            error.what.replace("saved", "imported"), why=error.why, fix=fix, tag=error.tag
        ) from error


def _renamed(info: ModelInfo, name: str | Tag | None) -> ModelInfo:
    if name is None:
        return info
    tag = Tag.parse(name)
    return attrs.evolve(info, name=tag.name, version=tag.version or info.version)


@contextlib.contextmanager
def _entries(source: str, reader: Reader, params: Mapping[str, Any] | None) -> Iterator[Iterator[Entry]]:
    if not is_url(source) and os.path.isdir(os.path.expanduser(source)):
        yield reader.read_folder(Path(source).expanduser())
        return
    with open_source(source, params) as file:
        yield reader.read(file)


class _Unpacking:
    """Unpacks entries into a staging folder, and compares them with the record."""

    def __init__(self, folder: str, reader: Reader, progress: Progress, claim: Callable[[ModelInfo], None]) -> None:
        self.folder = folder
        self.reader = reader
        self.progress = progress
        self.claim = claim
        self.info: ModelInfo | None = None
        self.found: dict[str, tuple[int, str]] = {}
        self.ledger = WriteLedger()
        self.attestations: dict[str, bytes] = {}
        self.examples: bytes | None = None
        self.passed: list[str] = []
        self._started = False

    def add(self, entry: Entry) -> None:
        """Unpack one entry."""
        if entry.path == RECORD_NAME:
            text = self._read_record(entry)
            if text is None:
                return
            entry = entry._replace(stream=io.BytesIO(text))
        limit = self.reader.limits.max_bytes if entry.size is None else entry.size
        if self.info is not None:
            listed = self.info.files.get(entry.path)
            if listed is None and self._is_beside(entry.path, self.info):
                self._add_beside(entry, self.info)
                return
            if listed is None and is_system_file(entry.path):
                self.passed.append(entry.path)
                return
            if listed is None:
                raise self.reader.refuse(entry.path, "model.yaml does not list it")
            if entry.size not in (None, listed.size):
                raise self.reader.refuse(entry.path, f"it states {entry.size} bytes, and model.yaml {listed.size}")
            limit = listed.size
        self._start(None)
        path = f"{self.folder}/{entry.path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        size, sha256 = self._unpack(entry, path, limit)
        self.found[entry.path] = size, sha256
        self.ledger.record(path, sha256, synced=True)

    def _is_beside(self, path: str, info: ModelInfo) -> bool:
        return path not in info.files and (is_attestation(path, info) or is_examples(path, info))

    def _add_beside(self, entry: Entry, info: ModelInfo) -> None:
        if is_examples(entry.path, info):
            self.examples = read_examples(entry.stream, entry.path, self.reader)
            return
        self.attestations[entry.path] = read_attestation(entry.stream, entry.path, info, self.reader)

    def _unpack(self, entry: Entry, path: str, limit: int) -> tuple[int, str]:
        size = written_back = 0
        with Digest(limit) as digest, open(path, "xb", buffering=0) as file:
            for piece in _pieces(entry.stream):
                size += len(piece)
                if size > limit:
                    raise self.reader.refuse(entry.path, f"it is longer than the {limit} bytes that are stated of it")
                digest.update(piece)
                write_all(file.fileno(), piece)
                self.progress.advance(len(piece))
                if size - written_back >= WRITEBACK:
                    start_writeback(file.fileno(), written_back, size - written_back)
                    written_back = size
            if entry.size not in (None, size):
                raise self.reader.damaged(f"it has {size} of {entry.size} bytes", entry.path)
            os.fsync(file.fileno())
            return size, digest.hexdigest()

    def find_foreign(self) -> Found | None:
        """Return the model of another tool that was unpacked, `None` where there is none."""
        if self.info is not None:
            return None
        return find_foreign(self.folder, {path: size for path, (size, _) in self.found.items()}, self.reader)

    def _read_record(self, entry: Entry) -> bytes | None:
        """Take a record; returns its text where it is another tool's, which is a file like any other."""
        text = bytearray()
        for piece in _pieces(entry.stream):
            text += piece
            if len(text) > MAX_RECORD:
                raise self.reader.refuse(entry.path, f"it is longer than {MAX_RECORD} bytes")
        return None if self._take_record(bytes(text), entry.path) else bytes(text)

    def _take_record(self, text: bytes, member: str) -> bool:
        """Take a record; tells whether it is one, and not another tool's."""
        try:
            self.info = read_foreign_record(text, f"{member} of {self.reader.path}")
        except RecordError as error:
            if is_foreign_record(text, member, self.reader):
                return False
            raise self.reader.damaged(error.what, member) from error
        # What cannot be published need not be fetched.
        self.claim(self.info)
        self._start(self.info)
        return True

    def tidy(self) -> None:
        """Lift a model out of the one folder that an archive holds, and pass over what desktops have added to it."""
        tops = {path.partition("/")[0] for path in self.found if not is_system_file(path)}
        record = f"{min(tops, default='')}/{RECORD_NAME}"
        if self.info is None and len(tops) == 1 and self.found.get(record, (MAX_RECORD + 1,))[0] <= MAX_RECORD:
            text = Path(self.folder, record).read_bytes()
            if self._take_record(text, record):
                self._lift(tops.pop())
        for path in [path for path in self.found if is_system_file(path)]:
            if self.info is None or path not in self.info.files:
                self._pass_over(path)

    def _lift(self, top: str) -> None:
        for path in [path for path in self.found if not path.startswith(f"{top}/")]:
            self._pass_over(path)
        del self.found[f"{top}/{RECORD_NAME}"]
        os.unlink(f"{self.folder}/{top}/{RECORD_NAME}")
        aside = f"{self.folder}.lifted"  # in it there may be something of its own name
        os.rename(f"{self.folder}/{top}", aside)
        for name in os.listdir(aside):
            os.rename(f"{aside}/{name}", f"{self.folder}/{name}")
        os.rmdir(aside)
        self.found = {path.removeprefix(f"{top}/"): found for path, found in self.found.items()}
        for path, (_, sha256) in self.found.items():
            self.ledger.record(f"{self.folder}/{path}", sha256, synced=True)

    def _pass_over(self, path: str) -> None:
        del self.found[path]
        self.passed.append(path)
        os.unlink(f"{self.folder}/{path}")
        with contextlib.suppress(OSError):  # it holds others
            while path := os.path.dirname(path):  # and no further: others work in the folder above
                os.rmdir(f"{self.folder}/{path}")

    def warn(self) -> None:
        """Name what was passed over."""
        if self.passed:
            names = ", ".join(shown(repr(path)) for path in self.passed[:_SHOWN])
            more = f" and {len(self.passed) - _SHOWN} more" if len(self.passed) > _SHOWN else ""
            what = f"Passed over in {self.reader.path}: {names}{more}"
            text = f"{what}. A desktop has left that there; it is none of the model"
            warnings.warn(NotKeptWarning(text, tuple(self.passed)), stacklevel=4)

    def _start(self, info: ModelInfo | None) -> None:
        if not self._started:
            self._started = True
            self.progress.start(f"Importing {info.tag}" if info else "Importing", info.size if info else None)

    def finish(self) -> tuple[ModelInfo, WriteLedger]:
        """Compare what was unpacked with the record; returns the record and the digests."""
        if self.info is None:
            raise DamagedArchiveError(
                f"{self.reader.path} holds no {RECORD_NAME}",
                why="It is not a model that Tiffin exported, nor one that an installed plugin knows, or it is cut off",
                path=self.reader.path,
                member=RECORD_NAME,
            )
        for path in [path for path in self.found if self._is_beside(path, self.info)]:
            del self.found[path]
            with open(f"{self.folder}/{path}", "rb") as stream:  # it came before the record
                self._add_beside(Entry(path, None, stream), self.info)
            os.unlink(f"{self.folder}/{path}")
        for path in sorted(self.info.files.keys() - self.found.keys()):
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

"""Pull: a version on a remote becomes a stored one, once all of it is here and compared with its record."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiffin.archives import Limits, Reader
from tiffin.exceptions import (
    InvalidTagError,
    ModelExistsError,
    ModelNotFoundError,
    RemoteDamagedError,
    StoreWarning,
)
from tiffin.files import CHUNK, WriteLedger, digest_file, start_writeback
from tiffin.info import RECORD_NAME, ModelInfo
from tiffin.model import Model
from tiffin.places import PIECE, WRITEBACK, Digest, Progress, Silent, redact, write_all
from tiffin.remotes._find import find
from tiffin.remotes._interface import Content, Remote, RemoteVersion
from tiffin.remotes._parallel import each
from tiffin.remotes._streams import Receiving, Stop, shown, stopping
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.store import ModelStore

MAX_ALIASES = 100
"""Aliases that one version may bring along."""
_WORTH_KEEPING = 1 << 20
"""Bytes from which on what has come of a file is kept where a pull breaks off."""


def pull(
    store: ModelStore,
    tag: str | Tag,
    remote: Remote,
    *,
    name: str | Tag | None = None,
    aliases: bool = False,
    force: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Model:
    """Fetch one version from a remote, and store it.

    Contents that the store has already do not travel. Everything is compared with its digest before the version is
    published; an error leaves the store as it was, but for what has come of large files, which the next pull goes on from.

    Args:
        store: the store.
        tag: which version: `name` for the newest, `name:version`, `name:alias`, or a unique beginning of a version.
        remote: where from.
        name: another name, or `name:version`, to store it under.
        aliases: whether the aliases that it has there are set here, too.
        force: whether another model of the same version is replaced here.
        limits: how much the archives among its files may unpack to; only what other tools have made has any.
        progress: told how far it is.

    Returns:
        A handle on the version; on the one that is here already, where its content is the same.

    Raises:
        ModelNotFoundError: there is no such version on the remote.
        ModelExistsError: another model has the version here, and `force` is false.
        RemoteDamagedError: a content is not what its digest says.
        TransferError: the remote refuses, or cannot be reached.
        StorageFullError, ReadOnlyStoreError: the store's disk refused.
    """
    progress = progress or Silent()
    version, info = find(remote, tag, None if name is None else Tag.parse(name))
    model = _here(store, info, force=force) if version.record is not None else None
    if model is None:
        try:
            store.check_free(info.tag, overwrite=force)
        except ModelExistsError as error:
            raise _taken(info) from error
        with _releasing(store) as indexed, store.changing() as folder:
            store.downloads.sweep(older=store.downloads.KEPT)
            stop = Stop(progress)
            pulling = _Pulling(store, remote, version, folder, stop, limits or Limits(), indexed)
            with stopping(stop), pulling.tidying():
                pulling.fetch(info, progress)
            # It is kept for good, so that a plugin says its URL shows no secret is not enough.
            origin = f"pulled from {redact(remote.url)}"
            try:
                model = store.adopt(folder, info, pulling.ledger, origin=origin, overwrite=force)
            except ModelExistsError:
                # Another program may have pulled it meanwhile.
                model = _here(store, info, force=force) if version.record is not None else None
                if model is None:
                    raise
    where = f"a signature of '{version.name}:{version.version}' on {remote.url}"
    store.take_attestations(model.info, ((where, data) for data in remote.attestations(version)))
    if version.record is not None and hasattr(remote, "examples"):
        kept = f"The file of examples of '{version.name}:{version.version}' on {remote.url}"
        store.take_examples(model.info, remote.examples(version), kept)
    if aliases:
        theirs = [alias for alias, target in remote.aliases(version.name).items() if target == version.version]
        _take_aliases(store, model, sorted(theirs), force=force)
    return model


@contextlib.contextmanager
def _releasing(store: ModelStore) -> Iterator[set[str]]:
    """Give a set of digests; where the block fails, those that nothing has are taken out of the index of contents."""
    indexed: set[str] = set()
    try:
        yield indexed
    except BaseException:
        store.blobs.release(indexed)
        raise


def _take_aliases(store: ModelStore, model: Model, aliases: list[str], *, force: bool) -> None:
    """Set aliases here; those that mean another version already are moved only when forced, and that is said."""
    if len(aliases) > MAX_ALIASES:
        warnings.warn(
            f"'{model.tag}' has {len(aliases)} aliases there, more than {MAX_ALIASES}. None was set here",
            StoreWarning,
            stacklevel=3,
        )
        return
    before = store.aliases(model.name)
    for alias in aliases:
        old = before.get(alias, model.version)
        if old != model.version and not force:
            text = f"The alias '{model.name}:{alias}' means {old} here, and stays so. To move it, pass force=True (--force)"
            warnings.warn(text, StoreWarning, stacklevel=3)
            continue
        try:
            store.set_alias(model.tag, alias)
        except InvalidTagError as error:  # a version is called so here
            warnings.warn(f"{str(error).removesuffix('.')}. It was left out", StoreWarning, stacklevel=3)
            continue
        if old != model.version:
            warnings.warn(
                f"The alias '{model.name}:{alias}' meant {old} here, and means {model.version} now",
                StoreWarning,
                stacklevel=3,
            )


def _here(store: ModelStore, info: ModelInfo, *, force: bool) -> Model | None:
    """Return the version, if the store has it with the same content."""
    if force or not os.path.lexists(store.layout.record(info.name, info.version)):
        return None
    with contextlib.suppress(ModelNotFoundError):
        model = store.get(info.tag)
        if model.info.compute_digest() == info.content_digest and not model.info.edited:
            return model
        raise _taken(info)
    return None


def _taken(info: ModelInfo) -> ModelExistsError:
    return ModelExistsError(
        f"'{info.tag}' is another model here",
        why="A version, once stored, stays what it is, so that a tag means one model",
        fix="Pull it under another version (--as NAME:VERSION), or pass force=True (--force)",
        tag=str(info.tag),
    )


class _Pulling:
    """Fetches the files of one version into a staging folder."""

    def __init__(
        self,
        store: ModelStore,
        remote: Remote,
        version: RemoteVersion,
        folder: str,
        stop: Stop,
        limits: Limits,
        indexed: set[str],
    ) -> None:
        self.store = store
        self.remote = remote
        self.version = version
        self.folder = folder
        self.stop = stop
        self.ledger = WriteLedger()
        self._indexed = indexed
        self._reader = Reader(f"{version.name}:{version.version} on {remote.url}", limits)
        self._kept: set[str] = set()

    def fetch(self, info: ModelInfo, progress: Progress) -> None:
        """Fetch all files."""
        files = [Content(sha256=e.sha256, size=e.size, path=path) for path, e in info.files.items()]
        archives = [content for content in self.version.contents if content.archive] if not self.version.record else []
        self._reader.check_path(RECORD_NAME)
        for content in files:
            self._reader.check_path(content.path)
            if not self.version.record:
                self._reader.check_size(content.path, content.size)
        for content in files:
            os.makedirs(os.path.dirname(f"{self.folder}/{content.path}"), exist_ok=True)
        # A content that several files have travels once.
        first = {content.sha256: content for content in files}
        here = each(self._take, first.values(), 2, self.stop)
        missing = [content for content, taken in zip(first.values(), here, strict=True) if not taken]
        missing.sort(key=lambda content: -content.size)
        progress.start(f"Pulling {info.tag}", sum(content.size for content in [*missing, *archives]))
        each(self._fetch, missing, self.remote.threads, self.stop)
        for content in files:
            if first[content.sha256] is not content:
                self._copy(first[content.sha256], content)
        for content in archives:
            self._unpack(content)

    @contextlib.contextmanager
    def tidying(self) -> Iterator[None]:
        """Leave nothing of this version on a disk that is full."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.store.downloads.sweep(self._kept)
            raise

    def _take(self, content: Content) -> bool:
        """Take a file from the store, if its content is there as it was saved."""
        path = f"{self.folder}/{content.path}"
        if not self.store.blobs.take(content.sha256, content.size, path):
            return False
        if digest_file(path).sha256 == content.sha256:
            self.ledger.record(path, content.sha256, synced=True)
            return True
        # Else what comes instead would be replaced by a link to it when it is published. `verify` tells of it.
        self.store.blobs.put_aside(self.store.blob(content.sha256))
        os.unlink(path)
        return False

    def _copy(self, source: Content, content: Content) -> None:
        """Give a file the content of another one, as a link: however often a content is named, it is here once."""
        path, first = f"{self.folder}/{content.path}", f"{self.folder}/{source.path}"
        if self.store.blobs.restore(first, content.sha256):
            self._indexed.add(content.sha256)
        if not self.store.blobs.take(content.sha256, content.size, path):
            import shutil

            self._reader.check_size(content.path, content.size)
            shutil.copyfile(first, path)
        elif os.path.samefile(first, path):
            self.ledger.record(path, content.sha256, synced=True)

    def _fetch(self, content: Content) -> None:
        path = f"{self.folder}/{content.path}"
        if content.size < _WORTH_KEEPING:
            with open(path, "xb", buffering=0) as file:
                self._receive(content, file.fileno(), 0)
        else:
            with self.store.downloads.open(content.sha256) as descriptor:
                if descriptor is None:  # another process fetches the same content: it is not worth waiting for
                    with open(path, "xb", buffering=0) as file:
                        self._receive(content, file.fileno(), 0)
                else:
                    self._go_on(content, descriptor)
                    os.rename(self.store.downloads.path_of(content.sha256), path)
        self.ledger.record(path, content.sha256, synced=True)

    def _go_on(self, content: Content, descriptor: int) -> None:
        start = min(os.fstat(descriptor).st_size, content.size)
        self._kept.add(content.sha256)
        try:
            try:
                self._receive(content, descriptor, start)
            except RemoteDamagedError:
                if not start:
                    raise
                # What was kept may be at fault, after a power failure say.
                self._receive(content, descriptor, 0)
        except RemoteDamagedError:
            self.store.downloads.discard(content.sha256)
            raise

    def _receive(self, content: Content, descriptor: int, start: int) -> None:
        """Write a content to a file that has its first `start` bytes already, and compare its digest."""
        os.ftruncate(descriptor, start)
        os.lseek(descriptor, 0, os.SEEK_SET)
        at = written_back = start
        with (
            Digest(content.size) as digest,
            Receiving(self.remote, self.version, content, start, self.stop) as source,
        ):
            for piece in _first(descriptor, start):
                digest.update(piece)
                self.stop.advance(len(piece))
            while piece := source.read(CHUNK):
                digest.update(piece)
                write_all(descriptor, piece)
                at += len(piece)
                if at - written_back >= WRITEBACK:
                    start_writeback(descriptor, written_back, at - written_back)
                    written_back = at
            os.fsync(descriptor)
            if digest.hexdigest() != content.sha256:
                self.stop.take_back(content.size)
                raise self._damaged(content)

    def _damaged(self, content: Content) -> RemoteDamagedError:
        return RemoteDamagedError(
            f"The content {shown(content)} of '{self.version.name}:{self.version.version}' on {self.remote.url} is not "
            "what its digest says",
            why="It is damaged there, or somebody changed it; nothing of the model was stored",
            fix="Push the model again from where it is whole",
            url=self.remote.url,
        )

    def _unpack(self, content: Content) -> None:
        with Receiving(self.remote, self.version, content, 0, self.stop) as source:
            hashing = _Hashing(source)
            for entry in self._reader.read(hashing, content.archive):
                path = f"{self.folder}/{entry.path}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "xb", buffering=0) as file:
                    while piece := entry.stream.read(PIECE):
                        write_all(file.fileno(), piece)
            while hashing.read(PIECE):
                pass  # what fills a tar up at its end
            if hashing.digest.hexdigest() != content.sha256:
                raise self._damaged(content)


class _Hashing:
    def __init__(self, source: Receiving) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.digest.update(data)
        return data


def _first(descriptor: int, count: int) -> Iterator[bytes]:
    while count > 0:
        piece = os.read(descriptor, min(CHUNK, count))
        if not piece:
            break
        count -= len(piece)
        yield piece

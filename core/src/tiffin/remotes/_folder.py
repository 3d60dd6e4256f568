"""A remote in the store's own layout: a folder, or what fsspec opens, with models/, blobs/ and aliases/ as a store has them.

Versions there have only their record; the contents lie below blobs/, each once. There is no lock and no index: contents
never change, the record goes last and names them all, so any number of writers may work at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tiffin.exceptions import ModelExistsError, RemoteDamagedError, RemoteUnreachableError, TransferError
from tiffin.hints import UPGRADE
from tiffin.info import MAX_EXAMPLES, MAX_RECORD, ModelInfo, max_attestation_size, read_foreign_record
from tiffin.places import is_url, redact, to_path
from tiffin.remotes._errors import remote_errors, unused_options
from tiffin.remotes._folder_files import LocalPlace, Place, RemotePlace
from tiffin.remotes._interface import Content, Opener, RemoteVersion, Source
from tiffin.tags import LATEST, is_part

FORMAT = "remote 1"
"""What the file `format` of a remote says. A store's says a number, so that neither is taken for the other."""
_PIECE = 1 << 20
_TRIES = 3
"""Times that a content is sent, beside what the driver tries again by itself."""
_MAX_ATTESTATIONS = 256
_MAX_TOGETHER = 64 << 20
"""Bytes of all attestations that are read of one version."""
_MAX_ALIAS = 256


class FolderRemote:
    """A remote in the store's own layout.

    Args:
        url: a folder's path, `file://`, or a URL that fsspec opens.
        options: options of the fsspec driver; none for a folder of this machine.

    Raises:
        TransferError: there are options for a folder of this machine, or what opens such URLs is missing.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        with remote_errors(redact(url), "read"):
            url = to_path(url)
        if options and not is_url(url):
            raise unused_options(url, options, "It is a folder of this machine, which no driver opens")
        self._place: Place = RemotePlace(url, options) if is_url(url) else LocalPlace(url)
        self._lock = threading.Lock()
        self._checked = self._writable = False

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def threads(self) -> int:
        return self._place.threads

    # -- looking -------------------------------------------------------------------------------------------------------

    def names(self) -> Iterable[str]:
        if self._check() is None:
            raise TransferError(
                f"Nothing has been pushed to {self.url}",
                why="Where models were pushed to, there is a file 'format'",
                fix="Look at the URL; or push something",
                url=self.url,
            )
        return [name for name in self._place.list("models") if is_part(name)]

    def versions(self, name: str) -> Iterable[str]:
        return [version for version in self._place.list(f"models/{name}") if is_part(version)]

    def aliases(self, name: str) -> Mapping[str, str]:
        found = {}
        for alias in self._place.list(f"aliases/{name}"):
            path = f"aliases/{name}/{alias}"
            # What is no alias there must not hide the others.
            if not is_part(alias) or alias == LATEST or not 0 < (self._place.size(path) or 0) <= _MAX_ALIAS:
                continue
            version = (self._read(path, _MAX_ALIAS) or b"").decode("utf-8", "replace").strip()
            if is_part(version):
                found[alias] = version
        return found

    def find(self, name: str, version: str) -> RemoteVersion | None:
        if not self._checked:
            self._check()
        if not is_part(name) or not is_part(version):
            return None  # it would lead elsewhere
        record = self._read(_record(name, version), MAX_RECORD)
        return None if record is None else RemoteVersion(name=name, version=version, record=record)

    def prepare(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        pass  # whatever a store holds, this holds

    def has(self, name: str, sha256: str, size: int) -> bool:
        found = self._place.size(_blob(sha256))
        if found not in (None, size):
            raise RemoteDamagedError(
                f"The content {sha256} on {self.url} has {found} bytes instead of {size}",
                why="Whoever pulls a model with it would refuse it",
                fix=f"Delete {_blob(sha256)} there, and push again",
                url=self.url,
            )
        return found is not None

    @contextlib.contextmanager
    def open(self, version: RemoteVersion, content: Content, offset: int) -> Iterator[Source]:
        with contextlib.ExitStack() as stack:
            # A store, which can be pulled from as it is, has files without blobs where its disk knows no links.
            own = f"models/{version.name}/{version.version}/{content.path}"
            try:
                try:
                    file = stack.enter_context(self._place.open(_blob(content.sha256), offset))
                except FileNotFoundError:
                    file = stack.enter_context(self._place.open(own, offset))
            except FileNotFoundError as error:
                raise RemoteDamagedError(
                    f"The content of {content.path!r} is not on {self.url}",
                    why=f"Its place there is {_blob(content.sha256)}",
                    fix="Push the model again from where it is whole",
                    url=self.url,
                ) from error
            yield file

    # -- changing ------------------------------------------------------------------------------------------------------

    def send(self, name: str, sha256: str, size: int, source: Opener) -> None:
        self._prepare()
        for attempt in range(_TRIES):
            try:
                with source() as stream, self._place.create(_blob(sha256), size) as file:
                    while piece := stream.read(_PIECE):
                        file.write(piece)
            except RemoteUnreachableError:
                # Of two who upload one object at once, some places give an error to the later one.
                if not self.has(name, sha256, size):
                    if attempt == _TRIES - 1:
                        raise
                    continue
            return

    def publish(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        self._prepare()
        path = _record(name, version)
        try:
            self._place.put(path, record, replace=force)
        except FileExistsError as error:
            if self._read(path, MAX_RECORD) == record:
                return  # somebody has pushed the same model at the same moment
            raise exists_error(self.url, name, version) from error
        # Not every place can refuse what another wrote in the same moment; the later one stays, and the other is told.
        if not force and self._read(path, MAX_RECORD) != record:
            raise exists_error(self.url, name, version)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        self._prepare()
        self._place.put(f"aliases/{name}/{alias}", f"{version}\n".encode(), replace=True)

    # -- attestations --------------------------------------------------------------------------------------------------

    def attestations(self, version: RemoteVersion) -> Sequence[bytes]:
        info = self._info(version)
        folder, most = _attestations(info), max_attestation_size(info)
        names = sorted(name for name in self._place.list(folder) if name.endswith(".json"))[:_MAX_ATTESTATIONS]
        sizes = {name: self._place.size(f"{folder}/{name}") or 0 for name in names}
        found: list[bytes] = []
        room = _MAX_TOGETHER
        # The smallest first, so that what somebody put there to fill the room comes last. What is too large for the model is
        # no attestation of it, and must keep nobody from pulling.
        for name in sorted(names, key=sizes.__getitem__):
            room -= sizes[name]
            if 0 < sizes[name] <= most and room >= 0 and (data := self._read(f"{folder}/{name}", most)) is not None:
                found.append(data)
        return found

    def add_attestation(self, version: RemoteVersion, data: bytes) -> None:
        self._prepare()
        path = f"{_attestations(self._info(version))}/{hashlib.sha256(data).hexdigest()}.json"
        if self._place.size(path) != len(data):
            self._place.put(path, data, replace=True)

    # -- examples ------------------------------------------------------------------------------------------------------

    def examples(self, version: RemoteVersion) -> bytes | None:
        path = _examples(self._info(version))
        # What is too large is no file of examples, and must keep nobody from pulling.
        return self._read(path, MAX_EXAMPLES) if 0 < (self._place.size(path) or 0) <= MAX_EXAMPLES else None

    def set_examples(self, version: RemoteVersion, data: bytes) -> None:
        self._prepare()
        self._place.put(_examples(self._info(version)), data, replace=True)

    def _info(self, version: RemoteVersion) -> ModelInfo:
        where = f"model.yaml of {version.name}:{version.version} on {self.url}"
        return read_foreign_record(version.record or b"", where)

    def close(self) -> None:
        self._place.close()

    # -- the format ----------------------------------------------------------------------------------------------------

    def _check(self) -> str | None:
        """Return the format; refuse one that is not known."""
        text = self._read("format", 64)
        found = None if text is None else text.decode("utf-8", "replace").strip()
        if found is not None and found != FORMAT and not found.isdigit():
            raise TransferError(
                f"{self.url} has the format {found!r}, and this Tiffin knows {FORMAT!r}",
                why="A newer Tiffin wrote it, or it is something else",
                fix=UPGRADE,
                url=self.url,
            )
        self._checked = True
        return found

    def _prepare(self) -> None:
        with self._lock:
            if self._writable:
                return
            found = self._check()
            if found is None:
                self._place.put("format", f"{FORMAT}\n".encode(), replace=True)
            elif found != FORMAT:
                raise TransferError(
                    f"{self.url} is a store of Tiffin's, not a remote",
                    why="What is pushed there would lack its files in the eyes of programs that use the store",
                    fix="Push to another folder; or work in that store: set TIFFIN_HOME to the folder above it",
                    url=self.url,
                )
            self._writable = True

    def _read(self, path: str, limit: int) -> bytes | None:
        data = bytearray()
        try:
            with self._place.open(path) as file:
                while len(data) <= limit and (piece := file.read(limit + 1 - len(data))):
                    data += piece
        except FileNotFoundError:
            return None
        if len(data) > limit:
            raise RemoteDamagedError(
                f"{path} on {self.url} has more than {limit} bytes", why="No such file has", url=self.url
            )
        return bytes(data)


def exists_error(url: str, name: str, version: str) -> ModelExistsError:
    """Return the error for a version that a remote has with another record."""
    return ModelExistsError(
        f"'{name}:{version}' on {url} is another model",
        why="A version, once published, stays what it is, so that a tag means one model",
        fix="Save it under another version and push that, or pass force=True (--force)",
        tag=f"{name}:{version}",
    )


def _attestations(info: ModelInfo) -> str:
    return f"signatures/{info.content_digest.removeprefix('sha256:')}"


def _examples(info: ModelInfo) -> str:
    return f"examples/{info.content_digest.removeprefix('sha256:')}"


def _record(name: str, version: str) -> str:
    return f"models/{name}/{version}/model.yaml"


def _blob(sha256: str) -> str:
    return f"blobs/sha256/{sha256[:2]}/{sha256}"

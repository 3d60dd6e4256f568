"""Blobs: whether a repository has one, sending one, reading one (OCI distribution specification 1.1)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from email.message import Message
from types import TracebackType
from urllib.parse import quote, urlsplit, urlunsplit

from tiffin.exceptions import RemoteDamagedError, TiffinError, TransferError
from tiffin.remotes import Opener, Source
from tiffin_oci._client import BROKEN, Client, Incoming, may_pass
from tiffin_oci._connections import Origin
from tiffin_oci._errors import BUSY, Refusal, unreachable

PIECE = 1 << 18
"""Bytes that are read and sent at a time."""
SMALLER = 32 << 20
"""Bytes of each part, once a registry has refused a body as too large."""
_AGAIN = (*BUSY, 400, 404, 408, 416)
"""What an upload may be refused with that a new one may not: the session was forgotten, the bytes changed on their way."""


def pulling(repository: str) -> tuple[str, ...]:
    """Return the scopes that reading needs."""
    return (f"repository:{repository}:pull",)


def pushing(repository: str, source: str = "") -> tuple[str, ...]:
    """Return the scopes that writing needs; `source` is the repository that a blob is mounted from."""
    return (f"repository:{repository}:pull,push", *((f"repository:{source}:pull",) if source else ()))


def exists(client: Client, repository: str, digest: str, *, push: bool) -> bool:
    """Tell whether a repository has a blob."""
    reply = client.request(
        "HEAD",
        f"/v2/{repository}/blobs/{digest}",
        f"look for a blob in {repository}",
        scopes=pushing(repository) if push else pulling(repository),
        ok=(200, 404),
    )
    return reply.status == 200


def mount(client: Client, repository: str, digest: str, source: str) -> bool:
    """Let a repository have a blob that another one of the registry has; tell whether it has it now."""
    reply = client.request(
        "POST",
        f"/v2/{repository}/blobs/uploads/?mount={quote(digest)}&from={quote(source, safe='')}",
        f"link a blob of {source} into {repository}",
        scopes=pushing(repository, source),
        ok=(201, 202),
    )
    if reply.status == 202:
        _cancel(client, repository, _location(client, reply.headers, reply.url))  # an upload was begun instead
    return reply.status == 201


class Upload:
    """Sends one blob, if need be several times; a body that a registry finds too large is sent in parts.

    Args:
        client: the registry.
        repository: where to.
        digest: the blob's digest.
        size: its bytes.
        part: bytes of each part; 0 sends all in one.
    """

    def __init__(self, client: Client, repository: str, digest: str, size: int, part: int = 0) -> None:
        self._client = client
        self._repository = repository
        self._digest = digest
        self._size = size
        self._part = part
        self._scopes = pushing(repository)
        self._what = f"push a blob of {size} bytes to {repository}"

    def run(self, source: Opener) -> None:
        """Send the blob.

        Raises:
            TransferError: it cannot be sent. What `source` raises goes through, and nothing remains of the blob.
        """
        waiting = self._client.waiting()
        renewals = 2
        while True:
            location = self._begin()
            # Only what the connection raises may be tried again, so what the source raises is kept apart.
            with source() as opened:
                pieces = _Pieces(opened, self._size, self._client.url)
                try:
                    incoming = self._send(location, pieces)
                except BaseException as error:
                    if isinstance(error, BROKEN) and not isinstance(error, TiffinError) and error is not pieces.error:
                        broken: BaseException | None = error
                    else:
                        _cancel(self._client, self._repository, self._last)
                        raise
                else:
                    broken = None
            if broken is not None:
                if exists(self._client, self._repository, self._digest, push=True):
                    return  # it had arrived, and only the answer was lost
                if not may_pass(broken) or not waiting.again():
                    raise unreachable(self._what, broken, self._client.url, tries=waiting.tries) from broken
                continue
            if incoming.status == 201:
                incoming.drop()
                return
            if incoming.status == 401 and renewals:
                renewals -= 1
                if self._client.renew(incoming, self._scopes):
                    continue
                refusal, after = Refusal(401, (), ""), None
            else:
                refusal, after = self._client.refusal(incoming), incoming.headers.get("Retry-After")
            if refusal.status == 413 and (not self._part or self._part > SMALLER) and self._size > SMALLER:
                self._part = SMALLER
                continue
            if refusal.status not in _AGAIN or not waiting.again(after):
                raise self._client.error(refusal, self._what, tries=waiting.tries)

    def _begin(self) -> str:
        reply = self._client.request(
            "POST", f"/v2/{self._repository}/blobs/uploads/", self._what, scopes=self._scopes, ok=(202,)
        )
        least = reply.headers.get("OCI-Chunk-Min-Length", "")
        if self._part and re.fullmatch("[0-9]{1,12}", least):
            self._part = max(self._part, int(least))
        self._last = _location(self._client, reply.headers, reply.url)
        return self._last

    def _send(self, location: str, pieces: _Pieces) -> Incoming:
        if not self._part or self._size <= self._part:
            return self._stream("PUT", self._final(location), pieces.take(self._size), self._size, {})
        start = 0
        while start < self._size:
            length = min(self._part, self._size - start)
            # The range is written without "bytes": so the specification has it.
            headers = {"Content-Range": f"{start}-{start + length - 1}"}
            incoming = self._stream("PATCH", location, pieces.take(length), length, headers)
            if incoming.status != 202:
                return incoming
            incoming.drop()
            self._last = location = _location(self._client, incoming.headers, incoming.url)
            start += length
        return self._stream("PUT", self._final(location), iter(()), 0, {})

    def _stream(
        self, method: str, url: str, body: Iterator[bytes], length: int, headers: Mapping[str, str]
    ) -> Incoming:
        client = self._client
        connection = client.connections.get(Origin.of(url))
        every = {"Content-Type": "application/octet-stream", **headers, **client.authorization(url, self._scopes)}
        try:
            client.start(connection, method, url, every, length)
            return client.finish(connection, url, body)
        except BaseException:
            connection.raw.close()
            raise

    def _final(self, location: str) -> str:
        split = urlsplit(location)
        query = f"{split.query}&" if split.query else ""
        return urlunsplit(split._replace(query=f"{query}digest={quote(self._digest)}", fragment=""))


class _Pieces:
    """Takes a source's bytes piece by piece; the last piece only once the source has found all to be right."""

    def __init__(self, source: Source, size: int, url: str) -> None:
        self._source = source
        self._unread = size
        self._url = url
        self._next = b""
        self.error: BaseException | None = None
        """What the source raised."""

    def take(self, length: int) -> Iterator[bytes]:
        """Yield the next `length` bytes."""
        while length:
            self._next = self._next or self._read()
            piece, self._next = self._next[:length], self._next[length:]
            self._next = self._next or self._read()
            length -= len(piece)
            yield piece

    def _read(self) -> bytes:
        left = self._unread
        try:
            data = self._source.read(min(PIECE, left) or 1)
        except BaseException as error:
            self.error = error
            raise
        if bool(data) != bool(left):
            self.error = TransferError(
                f"A content that is pushed to {self._url} is not as long as it should be: "
                + ("it ends early" if left else "it goes on"),
                why="It was changed meanwhile, or is damaged",
                fix="Try: tiffin models verify",
                url=self._url,
            )
            raise self.error
        self._unread -= len(data)
        return data


def _cancel(client: Client, repository: str, location: str) -> None:
    # Registries drop what was left after some days; that this is tidier is worth one try.
    with contextlib.suppress(TransferError):
        client.request(
            "DELETE", location, "end an upload", scopes=pushing(repository), ok=(200, 202, 204, 404), once=True
        )


def _location(client: Client, headers: Message, url: str) -> str:
    location = headers.get("Location")
    if not location:
        raise TransferError(f"The registry of {client.url} began an upload and did not say where", url=client.url)
    return client.next_url(url, location, "an upload")


class Download:
    """Reads one blob from an offset on; a source within a `with` block.

    Args:
        client: the registry.
        repository: where from.
        digest: the blob's digest.
        size: its bytes.
        offset: bytes to leave out at the front.
    """

    def __init__(self, client: Client, repository: str, digest: str, size: int, offset: int) -> None:
        self._client = client
        self._path = f"/v2/{repository}/blobs/{digest}"
        self._scopes = pulling(repository)
        self._what = f"pull a blob of {size} bytes from {repository}"
        self._size = size
        self._offset = offset
        self._left = size - offset
        self._incoming: Incoming | None = None

    def __enter__(self) -> Download:
        if self._left > 0:
            self._incoming = self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, all that are left if it is negative; none at the end.

        Raises:
            RemoteUnreachableError: the connection broke before the end.
        """
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted or self._incoming is None:
            return b""
        data = self._take(wanted)
        self._left -= len(data)
        return data

    def _open(self) -> Incoming:
        headers = {"Accept-Encoding": "identity"}
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
        incoming = self._client.open("GET", self._path, self._what, scopes=self._scopes, headers=headers, ok=(200, 206))
        incoming.expect_rate()
        try:
            first = 0
            if incoming.status == 206:
                found = re.match(r"bytes (\d{1,18})-", incoming.headers.get("Content-Range", ""))
                first = int(found[1]) if found else -1
                if first != self._offset:
                    raise self._damaged("answered with another part of it than was asked for")
            length = incoming.raw.length
            if length is not None and length != self._size - first:
                raise self._damaged(f"has {length + first} bytes under its digest")
            self._incoming = incoming
            skip = self._offset - first
            while skip:
                skip -= len(self._take(min(skip, PIECE)))
        except BaseException:
            incoming.close()
            raise
        return incoming

    def _take(self, size: int) -> bytes:
        assert self._incoming is not None
        try:
            data = self._incoming.read(size)
        except BROKEN as error:
            raise unreachable(self._what, error, self._client.url) from error
        if not data:
            raise unreachable(self._what, ConnectionError("the connection broke off"), self._client.url)
        return data

    def _damaged(self, how: str) -> RemoteDamagedError:
        return RemoteDamagedError(
            f"The registry of {self._client.url} {how} ({self._what})",
            why="What it sends is not what it should be; nothing of it was taken",
            fix="Tell whoever runs the registry",
            url=self._client.url,
        )

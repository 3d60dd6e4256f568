"""Requests to a registry: authorized, tried again where that may help, redirected where that is safe, and bounded."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.message import Message
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from tiffin.exceptions import TiffinError, TransferError
from tiffin_oci._auth import MAX_TOKEN, Authorizer
from tiffin_oci._connections import Connection, Connections, Origin
from tiffin_oci._credentials import Credentials
from tiffin_oci._errors import BUSY, Refusal, clip, read_refusal, refusal_error, unreachable
from tiffin_oci._waiting import Waiting

AGENT = "tiffin-oci"
MAX_BODY = 4 << 20
"""Bytes of an answer that are read into memory: the most that registries take for a manifest."""
MAX_ERROR = 64 << 10
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
BROKEN = (OSError, http.client.HTTPException, ValueError)
"""What a connection raises that cannot be made, or breaks. ValueErrors are http.client's and the resolver's, of hosts that
are no hosts' names and of chunks of negative size, which whoever answers may have chosen."""
_STALE = (http.client.RemoteDisconnected, http.client.BadStatusLine, BrokenPipeError, ConnectionResetError)
"""How a kept connection shows that the server closed it meanwhile."""


class Reply(NamedTuple):
    """An answer that was read: its status, headers, and body; and the URL that gave it."""

    status: int
    headers: Message
    body: bytes
    url: str


class Incoming:
    """An answer whose body is still to come; close it, best after its end."""

    def __init__(
        self, connections: Connections, connection: Connection, raw: http.client.HTTPResponse, url: str
    ) -> None:
        self._connections = connections
        self._connection = connection
        self.raw = raw
        self.status = raw.status
        self.headers = raw.headers
        self.url = url

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end; a body that breaks off may end without an error."""
        return self.raw.read(size)

    def read_all(self, limit: int, *, clipped: bool = False) -> bytes | None:
        """Return the body; of one beyond `limit` bytes nothing, or its beginning where it may be clipped."""
        body = self.raw.read(limit + 1)
        if self.raw.length and len(body) <= limit:
            raise http.client.IncompleteRead(body, self.raw.length)
        return body if len(body) <= limit else body[:limit] if clipped else None

    def expect_rate(self) -> None:
        """Take a long body, as long as it comes at a least rate."""
        self._connection.pace.expect_rate()

    def drop(self) -> bytes:
        """Read what little may be left, so that the connection can be kept; return it, and close."""
        try:
            return self.read_all(MAX_ERROR, clipped=True) or b""
        except BROKEN:
            return b""  # the status says enough
        finally:
            self.close()

    def close(self) -> None:
        """Keep the connection if the body was read to its end, else close it."""
        if self.raw.isclosed() and not self.raw.will_close:
            self._connections.put(self._connection)
        else:
            self.raw.close()
            self._connection.raw.close()


class Client:
    """Speaks to one registry, from several threads.

    Args:
        base: scheme and host of the registry: "https://ghcr.io".
        url: the remote's URL without secrets, for errors.
        credentials: returns who asks; called when a registry wants to know.
        timeout: seconds without a byte after which a connection counts as broken; and seconds for each answer's head, and for
            the whole of a small one.
        retries: how often a request is tried again.
        ca_file: a file of certificates that are trusted besides the system's; empty for none.
        sleep: waits for some seconds.
        clock: seconds, ever growing.
    """

    def __init__(
        self,
        base: str,
        url: str,
        credentials: Callable[[], Credentials],
        *,
        timeout: float = 60.0,
        retries: int = 4,
        ca_file: str = "",
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.url = url
        self.retries = retries
        self.connections = Connections(timeout, ca_file, clock=clock)
        self._origin = Origin.of(base)
        self._auth = Authorizer(self._origin, credentials, self._ask_for_token, url, clock)
        self._sleep = sleep
        self._draw = random.Random().random

    def waiting(self) -> Waiting:
        """Return the waits of one operation."""
        return Waiting(self.retries, self._sleep, self._draw)

    def close(self) -> None:
        """Close all connections."""
        self.connections.close()

    def request(
        self,
        method: str,
        path: str,
        what: str,
        *,
        scopes: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ok: Iterable[int] = (200,),
        limit: int = MAX_BODY,
        once: bool = False,
    ) -> Reply:
        """Send a request and return the answer, read.

        Args:
            method: GET, HEAD, POST, PUT, DELETE.
            path: what is asked for: a path, or a URL that the registry gave.
            what: what it is for, in errors.
            scopes: the token scopes that it needs.
            headers: more headers.
            body: its body.
            ok: statuses that are no error.
            limit: bytes of the answer that are read.
            once: whether it is not tried again.

        Raises:
            TransferError: the registry refused it, cannot be reached, or answered with too much.
        """
        waiting = Waiting(0, self._sleep, self._draw) if once else self.waiting()
        while True:
            incoming = self.open(method, path, what, scopes=scopes, headers=headers, body=body, ok=ok, waiting=waiting)
            try:
                content = incoming.read_all(limit)
            except BROKEN as error:
                if not waiting.again():
                    raise unreachable(what, error, self.url, tries=waiting.tries) from error
                continue
            finally:
                incoming.close()
            if content is None:
                raise TransferError(
                    f"The registry of {self.url} answered with more than {limit} bytes ({what})", url=self.url
                )
            return Reply(incoming.status, incoming.headers, content, incoming.url)

    def open(
        self,
        method: str,
        path: str,
        what: str,
        *,
        scopes: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ok: Iterable[int] = (200,),
        waiting: Waiting | None = None,
    ) -> Incoming:
        """Send a request and return the answer, its body yet to be read; see `request`."""
        waiting = waiting or self.waiting()
        while True:
            try:
                incoming = self._follow(method, path, what, scopes, headers or {}, body)
            except TiffinError:  # some are OSErrors, too
                raise
            except BROKEN as error:
                if not may_pass(error) or not waiting.again():
                    raise unreachable(what, error, self.url, tries=waiting.tries) from error
                continue
            if incoming.status in ok:
                return incoming
            refusal, after = self.refusal(incoming), incoming.headers.get("Retry-After")
            if refusal.status not in BUSY or not waiting.again(after):
                raise self.error(refusal, what, tries=waiting.tries)

    def refusal(self, incoming: Incoming) -> Refusal:
        """Return what an answer that is no success says, and close it."""
        return read_refusal(incoming.status, incoming.drop())

    def error(self, refusal: Refusal, what: str, *, tries: int = 1) -> TransferError:
        """Return the error for a refusal."""
        return refusal_error(refusal, what, self.url, user=self._auth.user, tries=tries)

    def _follow(
        self, method: str, path: str, what: str, scopes: Sequence[str], headers: Mapping[str, str], body: bytes | None
    ) -> Incoming:
        url = urljoin(self.base, path)
        redirects = refusals = 0
        while True:
            authorization = self.authorization(url, scopes)
            incoming = self._send(method, url, {**headers, **authorization}, body)
            if incoming.status == 401 and refusals < 2 and self.is_own(url):
                challenges = incoming.headers.get_all("WWW-Authenticate") or []
                incoming.drop()
                refusals += 1
                if self._auth.answer(challenges, scopes, authorization.get("Authorization", "")):
                    continue
                return self._send(method, url, {**headers, **authorization}, body)
            location = incoming.headers.get("Location")
            if incoming.status not in _REDIRECTS or location is None:
                return incoming
            if incoming.status in (301, 302, 303) and method not in ("GET", "HEAD"):
                return incoming
            incoming.drop()
            redirects += 1
            url = self.next_url(url, location, what)
            if redirects > MAX_REDIRECTS:
                raise TransferError(
                    f"The registry of {self.url} redirects more than {MAX_REDIRECTS} times ({what})", url=self.url
                )

    def is_own(self, url: str) -> bool:
        """Tell whether a URL is the registry's own: only there credentials go."""
        return Origin.of(url) == self._origin

    def authorization(self, url: str, scopes: Sequence[str]) -> dict[str, str]:
        """Return the header that authorizes a request, if one is known; none for a server that is not the registry."""
        header = self._auth.header(scopes) if self.is_own(url) else ""
        return {"Authorization": header} if header else {}

    def next_url(self, url: str, location: str, what: str) -> str:
        """Return where a registry sends its client.

        Raises:
            TransferError: it leads out of TLS, or is no URL of HTTP.
        """
        target = location
        try:
            target = urljoin(url, location)
            origin = Origin.of(target)
        except ValueError:
            origin = None
        if origin is None or (origin.scheme == "http" and urlsplit(url).scheme == "https"):
            raise TransferError(
                f"The registry of {self.url} sends its clients to {clip(target.partition('?')[0])!r} ({what})",
                why="From https that is not followed: others could read and change what is sent",
                fix="Tell whoever runs the registry",
                url=self.url,
            )
        return target

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Incoming:
        """Send one request on a kept connection or, where the server has closed that meanwhile, on a new one."""
        fresh = False
        while True:
            connection = self.connections.get(Origin.of(url), fresh=fresh)
            try:
                self.start(connection, method, url, headers, 0 if body is None else len(body))
                return self.finish(connection, url, (body,) if body else ())
            except BaseException as error:
                connection.raw.close()
                if not (connection.used and isinstance(error, _STALE)):
                    raise
                fresh = True

    def start(self, connection: Connection, method: str, url: str, headers: Mapping[str, str], length: int) -> None:
        """Send the head of a request with a body of `length` bytes."""
        split = urlsplit(url)
        target = quote(split.path or "/", safe="/%:@!$&'()*+,;=~-._") + (
            f"?{_query(split.query)}" if split.query else ""
        )
        raw = connection.raw
        connection.pace.expect_all()  # a proxy answers before the server does
        raw.putrequest(method, connection.prefix + target, skip_host=True, skip_accept_encoding=True)
        every = {"Host": connection.origin.netloc, "User-Agent": AGENT, **connection.headers, **headers}
        if length or method in ("POST", "PUT", "PATCH"):
            every["Content-Length"] = str(length)
        for key, value in every.items():
            raw.putheader(key, value)
        raw.endheaders()

    def finish(self, connection: Connection, url: str, body: Iterable[bytes]) -> Incoming:
        """Send the body of a request that was started, and return the answer, its body yet to be read."""
        raw = connection.raw
        for piece in body:
            try:
                raw.send(piece)
            except (BrokenPipeError, ConnectionResetError) as error:
                # A server that refuses a body may close before all of it has come; its answer says why.
                try:
                    return self._answer(connection, url)
                except BROKEN:
                    raise error from None
        return self._answer(connection, url)

    def _answer(self, connection: Connection, url: str) -> Incoming:
        connection.pace.expect_all()
        incoming = Incoming(self.connections, connection, connection.raw.getresponse(), url)
        connection.pace.expect_all()
        return incoming

    def renew(self, incoming: Incoming, scopes: Sequence[str]) -> bool:
        """Get what a 401 asks for and tell whether to ask again; closes the answer."""
        challenges = incoming.headers.get_all("WWW-Authenticate") or []
        incoming.drop()
        return self.is_own(incoming.url) and self._auth.answer(challenges, scopes, self._auth.header(scopes))

    def _ask_for_token(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        what = f"a token from {Origin.of(url).netloc}"
        waiting = self.waiting()
        while True:
            try:
                incoming = self._send(method, url, {"Accept": "application/json", **headers}, body)
                with contextlib.closing(incoming):
                    answer = incoming.read_all(MAX_TOKEN, clipped=True) or b""
            except TiffinError:
                raise
            except BROKEN as error:
                if not may_pass(error) or not waiting.again():
                    raise unreachable(what, error, self.url, tries=waiting.tries) from error
                continue
            if incoming.status not in BUSY or not waiting.again(incoming.headers.get("Retry-After")):
                return incoming.status, answer


def _query(query: str) -> str:
    return quote(query, safe="/%:@!$&'()*+,;=~-._?")


def may_pass(error: BaseException) -> bool:
    """Tell whether what broke a connection may be gone at the next try."""
    if isinstance(error, ssl.SSLError):
        return not isinstance(error, ssl.SSLCertVerificationError) and "WRONG_VERSION" not in str(error)
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    return not isinstance(error, (http.client.InvalidURL, ValueError))

"""Connections to a registry and to where it sends its clients: kept for the next request, each used by one thread at a time.

The standard library's http.client: it moves bytes as fast as urllib3 and httpx do, and costs no dependency.
"""

from __future__ import annotations

import functools
import http.client
import ssl
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tiffin.exceptions import ConfigError
from tiffin_oci._pace import Pace, PacedResponse
from tiffin_oci._reference import is_loopback

MAX_IDLE = 16
"""Connections that are kept open for each server."""


class Origin(NamedTuple):
    """A server: what is sent to one, must not go to another."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the server of a URL.

        Raises:
            ValueError: the URL has no host, no valid port, or is not HTTP.
        """
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise ValueError(f"not a URL of HTTP: {split.scheme}://{split.netloc.rpartition('@')[2]}")
        return cls(split.scheme, split.hostname, split.port or (443 if split.scheme == "https" else 80))

    @property
    def netloc(self) -> str:
        """The host, with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Connection:
    """One connection; `prefix` turns a URL's path into what is asked for, which a proxy wants in full."""

    def __init__(
        self, origin: Origin, raw: http.client.HTTPConnection, prefix: str, headers: dict[str, str], pace: Pace
    ) -> None:
        raw.response_class = functools.partial(PacedResponse, pace=pace)  # type: ignore[assignment]
        self.pace = pace
        self.origin = origin
        self.raw = raw
        self.prefix = prefix
        self.headers = headers
        self.used = False


class Connections:
    """All connections of one remote.

    Args:
        timeout: seconds without an answer after which a connection counts as broken.
        ca_file: a file of certificates (PEM) that are trusted besides the system's; empty for none.
        proxies: scheme → URL of the proxy to use; `None` stands for the environment's (HTTPS_PROXY, NO_PROXY, …).
        clock: seconds, ever growing.
    """

    def __init__(
        self,
        timeout: float,
        ca_file: str = "",
        proxies: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._ca_file = ca_file
        self._proxies = proxies
        self._idle: dict[Origin, list[Connection]] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._closed = False

    def get(self, origin: Origin, *, fresh: bool = False) -> Connection:
        """Return a connection to a server, of those that are kept or a new one; a new one is made when it is used.

        Args:
            origin: the server.
            fresh: whether to make a new one in any case.
        """
        with self._lock:
            idle = self._idle.get(origin)
            if idle and not fresh:
                return idle.pop()
        return self._make(origin)

    def put(self, connection: Connection) -> None:
        """Keep a connection whose last answer was read to its end."""
        connection.used = True
        with self._lock:
            idle = self._idle.setdefault(connection.origin, [])
            if not self._closed and connection.raw.sock is not None and len(idle) < MAX_IDLE:
                idle.append(connection)
                return
        connection.raw.close()

    def close(self) -> None:
        """Close all that are not in use; those that are, once they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.raw.close()

    def _make(self, origin: Origin) -> Connection:
        proxy = self._proxy(origin)
        if proxy is None:
            return self._connection(origin, self._raw(origin.scheme, origin.host, origin.port), "", {})
        split = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        headers = {}
        if split.username:
            user = f"{unquote(split.username)}:{unquote(split.password or '')}"
            headers["Proxy-Authorization"] = "Basic " + b64encode(user.encode()).decode()
        host, port = split.hostname or "", split.port or (443 if split.scheme == "https" else 80)
        if origin.scheme == "https":
            raw = self._raw("https", host, port)
            raw.set_tunnel(origin.host, origin.port, headers)
            return self._connection(origin, raw, "", {})
        return self._connection(origin, self._raw(split.scheme, host, port), f"http://{origin.netloc}", headers)

    def _connection(
        self, origin: Origin, raw: http.client.HTTPConnection, prefix: str, headers: dict[str, str]
    ) -> Connection:
        return Connection(origin, raw, prefix, headers, Pace(self._timeout, self._clock))

    def _raw(self, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls())
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def _proxy(self, origin: Origin) -> str | None:
        if is_loopback(origin.host):
            return None  # no proxy elsewhere can reach this machine under that name
        if self._proxies is not None:
            return self._proxies.get(origin.scheme)
        proxies = urllib.request.getproxies()
        if not proxies or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
            return None
        return proxies.get(origin.scheme) or proxies.get("all")

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
                try:
                    if self._ca_file:
                        self._context.load_verify_locations(self._ca_file)
                except OSError as error:  # ssl's errors too
                    self._context = None
                    raise ConfigError(
                        f"The option ca_file names {self._ca_file!r}, which is no file of certificates: {error}",
                        fix="It has to be a file of certificates in PEM format",
                        path=self._ca_file,
                    ) from error
            return self._context

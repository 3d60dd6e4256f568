"""Authorization: Basic, and Bearer with tokens from the server that the registry names (the distribution token protocol)."""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from tiffin.exceptions import RemoteDeniedError, TransferError
from tiffin_oci._connections import Origin
from tiffin_oci._credentials import Credentials
from tiffin_oci._errors import clip, read_refusal, refusal_error
from tiffin_oci._reference import is_loopback

MAX_TOKEN = 1 << 20
"""Bytes of a token server's answer that are read."""
MAX_HEADER = 8192
"""Characters of a challenge that are read."""
CLIENT_ID = "tiffin"
_MARGIN = 5.0
"""Seconds before its end from which on a token is not used."""
_SHORTEST = 60.0
"""Seconds that a token holds whose server does not say."""


class Asker(Protocol):
    """Sends one request to a token server and returns status and body; follows no redirect."""

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        """Return status and body, the body clipped."""


class Challenge(NamedTuple):
    """What a server asks for: a scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


class _Token(NamedTuple):
    header: str
    until: float


class Authorizer:
    """The Authorization headers of one registry, for several threads.

    Args:
        origin: the registry; no other server gets a header of it.
        credentials: returns who asks; called once, when a registry wants to know.
        ask: sends requests to token servers.
        url: the remote's URL, for errors.
        clock: seconds, ever growing.
    """

    def __init__(
        self,
        origin: Origin,
        credentials: Callable[[], Credentials],
        ask: Asker,
        url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin
        self._find_credentials = credentials
        self._credentials: Credentials | None = None
        self._ask = ask
        self._url = url
        self._clock = clock
        self._basic = ""
        self._tokens: dict[frozenset[str], _Token] = {}
        self._lock = threading.Lock()

    @property
    def user(self) -> str:
        """Whose credentials were sent; empty if nobody's were."""
        return (self._credentials.user or "an identity token") if self._credentials else ""

    def header(self, scopes: Iterable[str]) -> str:
        """Return the Authorization header for a request that needs these scopes; empty if none is known yet."""
        with self._lock:
            return self._known(frozenset(scopes))

    def answer(self, challenges: Iterable[str], scopes: Iterable[str], refused: str) -> bool:
        """Get what a 401 asks for.

        Args:
            challenges: its WWW-Authenticate headers.
            scopes: what the request needs.
            refused: the header that was refused, or empty.

        Returns:
            Whether there is another header now; if not, the refusal stands.
        """
        wanted = frozenset(scopes)
        with self._lock:
            known = self._known(wanted)
            if known and known != refused:
                return True  # another thread was quicker
            for challenge in sorted(parse_challenges(challenges), key=lambda challenge: challenge.scheme != "bearer"):
                if challenge.scheme == "bearer":
                    token = self._fetch(challenge.parameters, wanted)
                    self._tokens[wanted] = token
                    return True
                if challenge.scheme == "basic":
                    who = self._who()
                    header = _basic(who) if who.user else ""
                    if not header or header == refused:
                        return False
                    self._basic = header
                    return True
            return False

    def _known(self, wanted: frozenset[str]) -> str:
        if self._basic:
            return self._basic
        token = self._tokens.get(wanted)
        return token.header if token is not None and token.until > self._clock() else ""

    def _who(self) -> Credentials:
        if self._credentials is None:
            self._credentials = self._find_credentials()
        return self._credentials

    def _fetch(self, parameters: Mapping[str, str], wanted: frozenset[str]) -> _Token:
        realm = parameters.get("realm", "")
        self._check_realm(realm)
        scopes = sorted(wanted | set(parameters.get("scope", "").split()))
        service = parameters.get("service", "")
        who = self._who()
        if who.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": CLIENT_ID,
                "scope": " ".join(scopes),
            }
            body = urlencode({**form, "refresh_token": who.identity_token}).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status, answer = self._ask("POST", realm, headers, body)
        else:
            query = urlencode([("service", service), *(("scope", scope) for scope in scopes)])
            headers = {"Authorization": _basic(who)} if who.user else {}
            status, answer = self._ask("GET", f"{realm}{'&' if '?' in realm else '?'}{query}", headers, None)
        if status != 200:
            what = f"a token from {Origin.of(realm).netloc} for {', '.join(scopes) or 'no scope'}"
            refusal = read_refusal(status, answer)
            if status == 400:  # what OAuth 2 answers to a refresh token that is not valid
                refusal = refusal._replace(status=401)
            raise refusal_error(refusal, what, self._url, user=self.user)
        return self._read_token(realm, answer)

    def _read_token(self, realm: str, answer: bytes) -> _Token:
        try:
            data: Any = json.loads(answer)
            token = data.get("token") or data.get("access_token")
            lifetime = float(data.get("expires_in") or _SHORTEST)
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
            token, lifetime = None, 0.0
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise TransferError(
                f"The token server {Origin.of(realm).netloc} of the registry of {self._url} answered without a token",
                url=self._url,
            )
        return _Token(f"Bearer {token}", self._clock() + max(lifetime - _MARGIN, lifetime / 2))

    def _check_realm(self, realm: str) -> None:
        try:
            origin = Origin.of(realm)
        except ValueError:
            origin = None
        plain = self._origin.scheme == "http"
        # A plain realm reads the password aloud: only where the registry itself is spoken to so, on its own host or here.
        if origin is None or (
            origin.scheme == "http" and not (plain and (is_loopback(origin.host) or origin.host == self._origin.host))
        ):
            raise RemoteDeniedError(
                f"The registry of {self._url} names {clip(realm)!r} as its token server",
                why="Credentials are sent over https only, or to this machine",
                fix="Tell whoever runs the registry",
                url=self._url,
            )


def _basic(who: Credentials) -> str:
    return "Basic " + b64encode(f"{who.user}:{who.password}".encode()).decode()


_SCHEME = re.compile(r"[\s,]*([A-Za-z][A-Za-z0-9_-]*)(?=\s|$|,)\s*")
_PARAMETER = re.compile(r"[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Return the challenges of WWW-Authenticate headers (RFC 9110, 11.6.1); what cannot be read is left out."""
    found: list[Challenge] = []
    for header in headers:
        at = 0
        header = header[:MAX_HEADER]
        while at < len(header):
            parameter = _PARAMETER.match(header, at)
            if parameter and found:
                name, quoted, plain = parameter.groups()
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                found[-1].parameters.setdefault(name.lower(), value)
                at = parameter.end()
                continue
            scheme = _SCHEME.match(header, at)
            if scheme is None:
                break
            found.append(Challenge(scheme[1].lower(), {}))
            at = scheme.end()
    return found

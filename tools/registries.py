"""Container registries on loopback, for tests and benchmarks: CNCF distribution (docker-registry), open or with either login.

`python tools/registries.py NAME FOLDER` runs one until Enter is pressed, and prints its host.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from servers import HOST, Missing, accepts, free_port, program

USER, PASSWORD = "user", "secret"
REFRESH_TOKEN = "refresh-me"
_SERVICE = "registry.test"
_INSTALL = "on Debian: apt-get install docker-registry"


class Registry:
    """A docker-registry that can be killed and started again over the same storage.

    Args:
        folder: an empty folder for its storage and settings.
        auth: the section `auth` of its settings.
    """

    def __init__(self, folder: Path, auth: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.host = f"{HOST}:{self.port}"
        settings: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
            "http": {"addr": self.host, "secret": "only-for-tests"},
        }
        if auth:
            settings["auth"] = auth
        (folder / "config.yml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged, every request included."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it accepts connections.

        Raises:
            Missing: it is not installed.
        """
        command = [program("docker-registry", _INSTALL), "serve", str(self.folder / "config.yml")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"docker-registry did not start: {self.log[-2000:]}")
            threading.Event().wait(0.01)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def open_registry(folder: Path) -> Iterator[Registry]:
    """A registry without login."""
    with _running(Registry(folder)) as registry:
        yield registry


@contextlib.contextmanager
def basic_registry(folder: Path) -> Iterator[Registry]:
    """A registry with Basic login, of USER and PASSWORD."""
    try:
        import bcrypt
    except ImportError:
        raise Missing("bcrypt is not installed; make setup brings it") from None
    line = f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n"
    (folder / "users").write_text(line, encoding="utf-8")
    auth = {"htpasswd": {"realm": "test", "path": str(folder / "users")}}
    with _running(Registry(folder, auth)) as registry:
        yield registry


class TokenRegistry(NamedTuple):
    """A registry whose logins a token server gives, and what that was asked."""

    registry: Registry
    tokens: TokenServer


@contextlib.contextmanager
def token_registry(folder: Path) -> Iterator[TokenRegistry]:
    """A registry with Bearer login, of USER and PASSWORD or REFRESH_TOKEN; anybody may pull from what lies below open/."""
    try:
        import cryptography  # noqa: F401  # what the token server signs with
    except ImportError:
        raise Missing("cryptography is not installed; make setup brings it") from None
    with TokenServer(folder) as tokens:
        auth = {
            "token": {
                "realm": tokens.url,
                "service": _SERVICE,
                "issuer": "test",
                "rootcertbundle": str(folder / "token.crt"),
            }
        }
        with _running(Registry(folder, auth)) as registry:
            yield TokenRegistry(registry, tokens)


@contextlib.contextmanager
def _running(registry: Registry) -> Iterator[Registry]:
    registry.start()
    try:
        yield registry
    finally:
        registry.kill()


class TokenServer:
    """The token protocol of CNCF distribution: ES256 tokens for whoever knows the password.

    Attributes:
        requests: method, path and Authorization header of each request.
        lifetime: seconds that a token holds.
    """

    def __init__(self, folder: Path) -> None:
        self._key, self._chain = _certificate(folder / "token.crt")
        self.requests: list[tuple[str, str, str]] = []
        self.lifetime = 300
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                login = self.headers.get("Authorization") or ""
                server.requests.append(("GET", self.path, login))
                expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                if login and login != expected:
                    self._reply(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
                    return
                self._reply(200, server.answer(query.get("scope", []), known=bool(login)))

            def do_POST(self) -> None:
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                server.requests.append(("POST", self.path, self.headers.get("Authorization") or ""))
                if form.get("refresh_token") != [REFRESH_TOKEN]:
                    self._reply(400, {"error": "invalid_grant"})
                    return
                self._reply(200, server.answer(form.get("scope", [""])[0].split(), known=True))

            def _reply(self, status: int, data: dict[str, Any]) -> None:
                body = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}/token"

    def __enter__(self) -> TokenServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, scopes: list[str], *, known: bool) -> dict[str, Any]:
        """Return the answer with a token for those of the scopes that may be given."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.rsplit(":", 2) if scope.count(":") > 1 else (scope, "", "")
            granted = [
                action for action in actions.split(",") if known or (name.startswith("open/") and action == "pull")
            ]
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "test",
            "sub": USER if known else "",
            "aud": _SERVICE,
            "access": access,
            "jti": str(now),
        }
        claims |= {"nbf": now - 10, "iat": now, "exp": now + self.lifetime}
        return {"token": self._sign(claims), "expires_in": self.lifetime}

    def _sign(self, claims: dict[str, Any]) -> str:
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        head = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _certificate(path: Path) -> tuple[Any, list[str]]:
    """Write a certificate of a new key; return the key, and the chain as a token's header holds it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "token server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return key, [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]


REGISTRIES: dict[str, Callable[[Path], contextlib.AbstractContextManager[Any]]] = {
    "open": open_registry,
    "basic": basic_registry,
    "token": token_registry,
}


if __name__ == "__main__":
    with REGISTRIES[sys.argv[1]](Path(sys.argv[2])) as running:
        print(getattr(running, "registry", running).host)
        input("Enter stops it ")

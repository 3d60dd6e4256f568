"""Connections: kept, shared by threads, through proxies, with TLS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults import Request, answer, proxy
from registries import Registry, TokenRegistry
from servers import Missing
from stepwise import make_version, opened, pull, push
from tiffin.exceptions import ConfigError, RemoteUnreachableError
from tiffin_oci._connections import Connections, Origin
from tiffin_oci._remote import OciRemote


def test_a_proxy_is_used_and_logged_in_to(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment names as a proxy gets all requests, in the form for proxies, with its own login."""
    with proxy(registry.port, lambda request: None) as front:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@{front.host}")
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss@{front.host}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        remote = open_remote(f"oci+http://registry.example/{space}")
        version = make_version()
        push(remote, version)
        found = remote.find("iris", "v1")
        assert found is not None
        assert pull(remote, found, version.contents[-1]) == version.files["weights.bin"]
    login = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert len(front.requests) > 10
    for request in front.requests:
        assert request.path.startswith("http://registry.example/v2/")
        assert request.headers["host"] == "registry.example"
        assert request.headers["proxy-authorization"] == login


def test_a_proxy_is_asked_for_a_tunnel_where_tls_is_spoken(
    registry: Registry, open_remote: Callable[..., OciRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a registry with TLS a proxy passes bytes; one that refuses is named."""
    seen: list[Request] = []

    def decide(request: Request) -> object:
        seen.append(request)
        return answer(403)

    with proxy(registry.port, decide) as front:  # type: ignore[arg-type]
        monkeypatch.setenv("HTTPS_PROXY", f"http://{front.host}")
        monkeypatch.setenv("https_proxy", f"http://{front.host}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        remote = open_remote("oci://registry.example/team", retries=0)
        with pytest.raises(RemoteUnreachableError, match="Tunnel connection failed: 403"):
            remote.find("iris", "v1")
    assert [(request.method, request.path) for request in seen] == [("CONNECT", "registry.example:443")]


def test_this_machine_is_spoken_to_without_a_proxy(remote: OciRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy elsewhere can reach a registry on this machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert remote.find("iris", "v1") is None


def test_connections_are_kept(registry: Registry, remote: OciRemote) -> None:
    """One after the other, requests use one connection."""
    push(remote, make_version())
    for _ in range(5):
        assert remote.find("iris", "v1") is not None
    [idle] = remote._client.connections._idle.values()
    assert len(idle) == 1


def test_connections_are_closed_at_the_end() -> None:
    """What comes back after the end is not kept."""
    connections = Connections(1.0)
    connection = connections.get(Origin("http", "127.0.0.1", 9))
    connections.close()
    connections.put(connection)
    assert not any(connections._idle.values())


def test_many_threads_share_a_remote_and_one_token(
    token: TokenRegistry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Contents that travel at once arrive whole, and only one of the threads asks for a token."""
    remote = open_remote(f"oci://{token.registry.host}/{space}", user="user", password="secret")
    contents = [bytes([number]) * 200_000 for number in range(24)]
    before = len(token.tokens.requests)

    def travel(data: bytes) -> bool:
        sha256 = hashlib.sha256(data).hexdigest()
        remote.send("iris", sha256, len(data), lambda: opened(data))
        return remote.has("iris", sha256, len(data))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(travel, contents))
    assert len(token.tokens.requests) - before == 1


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ghcr.io/v2/", Origin("https", "ghcr.io", 443)),
        ("http://[::1]:5000/x", Origin("http", "::1", 5000)),
        ("HTTPS://GHCR.io:443", Origin("https", "ghcr.io", 443)),
    ],
)
def test_a_server_is_scheme_host_and_port(url: str, origin: Origin) -> None:
    """What is equal in these three is one server, however its URL is written."""
    assert Origin.of(url) == origin


@pytest.mark.parametrize("url", ["ftp://host/", "https://", "//host", "https://host:port/", "https://host:70000/"])
def test_what_is_no_server_is_no_origin(url: str) -> None:
    """Nothing but HTTP is spoken."""
    with pytest.raises(ValueError, match=r"."):
        Origin.of(url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for this machine, signed by nobody else."""
    pytest.importorskip("cryptography", reason="make setup brings it")
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key").write_bytes(private)
    return folder / "key", folder / "crt"


def test_tls_needs_a_certificate_that_is_trusted(
    tmp_path: Path, certificate: tuple[Path, Path], open_remote: Callable[..., OciRemote], waits: list[float]
) -> None:
    """An unknown authority is told at once, with the option that names its file; with that all goes well."""
    registry = Registry(tmp_path)
    settings = json.loads((tmp_path / "config.yml").read_text())
    settings["http"]["tls"] = {"key": str(certificate[0]), "certificate": str(certificate[1])}
    (tmp_path / "config.yml").write_text(json.dumps(settings))
    try:
        registry.start()
    except Missing as missing:
        pytest.skip(str(missing))
    try:
        url = f"oci://{registry.host}/team"
        with pytest.raises(RemoteUnreachableError, match=r"cannot be reached:.*certificate.*the option ca_file"):
            open_remote(url, plain_http=False).find("iris", "v1")
        assert waits == []
        remote = open_remote(url, plain_http=False, ca_file=str(certificate[1]))
        push(remote, make_version())
        assert list(remote.versions("iris")) == ["v1"]
        with pytest.raises(ConfigError, match=r"ca_file names .* no file of certificates"):
            open_remote(url, plain_http=False, ca_file=str(certificate[0])).find("iris", "v1")
    finally:
        registry.kill()


def test_a_plain_registry_spoken_to_with_tls_is_told(registry: Registry, open_remote: Callable[..., OciRemote]) -> None:
    """Who forgot `oci+http` is told so."""
    with pytest.raises(RemoteUnreachableError, match=r"oci\+http://"):
        open_remote(f"oci://{registry.host}/team", plain_http=False).find("iris", "v1")

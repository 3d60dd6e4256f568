"""Who asks: Basic and Bearer login, and where credentials must not go."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import registries
from faults import Fault, Request, answer, proxy
from stepwise import make_version, pull, push
from tiffin.exceptions import ConfigError, RemoteDeniedError, TransferError
from tiffin_oci._auth import parse_challenges
from tiffin_oci._remote import OciRemote, connect

LOGIN = {"user": registries.USER, "password": registries.PASSWORD}


def write_config(folder: Path, **config: Any) -> None:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def auth(user: str = registries.USER, password: str = registries.PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def round_trip(remote: OciRemote) -> None:
    version = make_version()
    push(remote, version)
    found = remote.find("iris", "v1")
    assert found is not None
    assert [pull(remote, found, content) for content in version.contents] == [
        version.files[content.path] for content in version.contents
    ]


@pytest.mark.parametrize("name", ["basic", "token"])
def test_user_and_password_may_be_options(
    name: str, request: pytest.FixtureRequest, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """With either kind of login user and password let a version go and come."""
    running = request.getfixturevalue(name)
    registry = getattr(running, "registry", running)
    round_trip(open_remote(f"oci://{registry.host}/{space}", **LOGIN))


@pytest.mark.parametrize("name", ["basic", "token"])
def test_credentials_of_docker_are_used(
    name: str, request: pytest.FixtureRequest, open_remote: Callable[..., OciRemote], space: str, no_credentials: Path
) -> None:
    """What `docker login` has written is enough."""
    running = request.getfixturevalue(name)
    registry = getattr(running, "registry", running)
    write_config(no_credentials, auths={registry.host: auth()})
    round_trip(open_remote(f"oci://{registry.host}/{space}"))


def test_a_url_may_hold_credentials_and_never_shows_them(
    basic: registries.Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """User and password of a URL are used; the remote's own URL, its errors and its repr are without them."""
    remote = open_remote(f"oci://{registries.USER}:{registries.PASSWORD}@{basic.host}/{space}")
    round_trip(remote)
    assert remote.url == f"oci://{basic.host}/{space}"
    assert registries.PASSWORD not in repr(remote)


@pytest.mark.parametrize("name", ["basic", "token"])
def test_a_wrong_password_is_told_without_showing_it(
    name: str, request: pytest.FixtureRequest, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """The error says whose credentials were not accepted, and how to log in."""
    running = request.getfixturevalue(name)
    registry = getattr(running, "registry", running)
    remote = open_remote(f"oci://{registry.host}/{space}", user="somebody", password="not-this-one")
    with pytest.raises(RemoteDeniedError, match=r"does not accept the credentials of 'somebody'.*Log in") as caught:
        remote.find("iris", "v1")
    assert "not-this-one" not in str(caught.value)


def test_no_credentials_are_told(basic: registries.Registry, open_remote: Callable[..., OciRemote], space: str) -> None:
    """Who has not logged in is told that it takes that."""
    with pytest.raises(RemoteDeniedError, match=r"wants credentials.*docker or podman"):
        open_remote(f"oci://{basic.host}/{space}").find("iris", "v1")


def test_anybody_may_pull_with_a_token_for_nobody(
    token: registries.TokenRegistry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """A registry that shows something to all gives tokens without a login; to push, one is needed."""
    host = token.registry.host
    push(open_remote(f"oci://{host}/open/{space}", **LOGIN), make_version())
    stranger = open_remote(f"oci://{host}/open/{space}")
    assert stranger.find("iris", "v1") is not None
    assert token.tokens.requests[-1][2] == ""
    with pytest.raises(RemoteDeniedError):
        push(stranger, make_version(tag="iris:v2"))


def test_one_token_serves_many_requests(
    token: registries.TokenRegistry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """A token is asked for once for each thing to do, not for each request."""
    before = len(token.tokens.requests)
    round_trip(open_remote(f"oci://{token.registry.host}/{space}", **LOGIN))
    assert len(token.tokens.requests) - before == 2  # to push, and to pull


def test_a_token_that_has_ended_is_renewed(token: registries.TokenRegistry, waits: list[float], space: str) -> None:
    """When a token's time is over another one is asked for, before the registry refuses."""
    now = [0.0]
    remote = connect(f"oci://{token.registry.host}/{space}", LOGIN, sleep=waits.append, clock=lambda: now[0])
    push(remote, make_version())
    before = len(token.tokens.requests)
    assert remote.has("iris", "0" * 64, 1) is False
    assert len(token.tokens.requests) == before
    now[0] += 301
    assert remote.has("iris", "0" * 64, 1) is False
    assert len(token.tokens.requests) == before + 1
    remote.close()


def test_a_token_that_is_refused_early_is_renewed(
    token: registries.TokenRegistry, open_remote: Callable[..., OciRemote], space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 in the middle is answered with a new token, and the request goes again."""
    remote = open_remote(f"oci://{token.registry.host}/{space}", **LOGIN)
    push(remote, make_version())
    for scopes, held in remote._client._auth._tokens.items():
        remote._client._auth._tokens[scopes] = held._replace(header="Bearer ended")
    before = len(token.tokens.requests)
    round_trip(remote)
    assert len(token.tokens.requests) > before


def test_an_identity_token_is_exchanged(
    token: registries.TokenRegistry, open_remote: Callable[..., OciRemote], space: str, no_credentials: Path
) -> None:
    """What docker keeps as `identitytoken` is a refresh token: it goes to the token server alone."""
    entry = {**auth("00000000-0000-0000-0000-000000000000", ""), "identitytoken": registries.REFRESH_TOKEN}
    write_config(no_credentials, auths={token.registry.host: entry})
    round_trip(open_remote(f"oci://{token.registry.host}/{space}"))
    assert token.tokens.requests[-1][0] == "POST"
    assert registries.REFRESH_TOKEN not in token.registry.log


def test_a_refresh_token_that_is_not_valid_is_told(
    token: registries.TokenRegistry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """The error asks to log in anew, and does not show the token."""
    remote = open_remote(f"oci://{token.registry.host}/{space}", identity_token="stale-and-secret")
    with pytest.raises(RemoteDeniedError, match="does not accept the credentials") as caught:
        remote.find("iris", "v1")
    assert "stale-and-secret" not in str(caught.value)


def test_contents_are_linked_with_a_token_for_both_repositories(
    token: registries.TokenRegistry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Linking needs the right to read the one repository and to write the other, in one token."""
    remote = open_remote(f"oci://{token.registry.host}/{space}", **LOGIN)
    push(remote, make_version())
    assert "weights.bin" not in push(remote, make_version(tag="rose:v1"))


def test_credentials_do_not_follow_a_redirect_to_another_server(
    basic: registries.Registry, registry: registries.Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Where a registry sends its clients to a storage server for a blob, that gets no Authorization header."""
    version = make_version()
    push(open_remote(f"oci://{basic.host}/{space}", **LOGIN), version)
    with proxy(basic.port, lambda request: None) as storage:

        def decide(request: Request) -> Fault | None:
            if request.method == "GET" and "/blobs/" in request.path:
                return answer(307, Location=f"http://{storage.host}{request.path}")
            return None

        with proxy(basic.port, decide) as front:
            remote = open_remote(f"oci://{front.host}/{space}", **LOGIN)
            with pytest.raises(RemoteDeniedError):  # this storage wants credentials, and must not get them
                remote.find("iris", "v1")
        assert storage.requests
        assert all("authorization" not in request.headers for request in storage.requests)
        assert any("authorization" in request.headers for request in front.requests)


def test_an_upload_elsewhere_goes_without_credentials(
    basic: registries.Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """An upload that a registry moves to another server does not take the Authorization header there."""
    with proxy(basic.port, lambda request: None) as storage:

        def decide(request: Request) -> Fault | None:
            if request.method == "POST" and "authorization" in request.headers:
                return answer(202, Location=f"http://{storage.host}/v2/upload")
            return None

        with proxy(basic.port, decide) as front, pytest.raises(TransferError):
            push(open_remote(f"oci://{front.host}/{space}", retries=0, **LOGIN), make_version())
        assert [request for request in storage.requests if request.method == "PUT"]
        assert all("authorization" not in request.headers for request in storage.requests)


@pytest.mark.parametrize("realm", ["http://198.51.100.7/token", "ftp://127.0.0.1/", "", "not a url"])
def test_credentials_go_to_no_token_server_in_the_clear(
    registry: registries.Registry, open_remote: Callable[..., OciRemote], space: str, realm: str
) -> None:
    """A realm that is not https, and not on this machine, gets nothing."""
    challenge = f'Bearer realm="{realm}",service="x"'
    with proxy(registry.port, lambda request: answer(401, WWW_Authenticate=challenge)) as front:
        remote = open_remote(f"oci://{front.host}/{space}", **LOGIN)
        with pytest.raises(RemoteDeniedError, match="over https only"):
            remote.find("iris", "v1")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 5}', b'{"token": "a\\r\\nb"}', b"[" * 100_000])
def test_a_token_server_that_answers_nonsense_is_told(
    registry: registries.Registry, open_remote: Callable[..., OciRemote], space: str, body: bytes
) -> None:
    """An answer without a token, or with one that would change the request, is an error of Tiffin's."""

    def decide(request: Request) -> Fault:
        if request.path.startswith("/token"):
            return answer(200, body)
        return answer(401, WWW_Authenticate=f'Bearer realm="http://{front.host}/token",service="x"')

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}", **LOGIN)
        with pytest.raises(TransferError, match="answered without a token"):
            remote.find("iris", "v1")


def test_options_that_do_not_fit_are_refused_without_showing_them() -> None:
    """Unknown options, wrong types and half a login are errors that show no value."""
    url = "oci://registry.example/team"
    for options, text in (
        ({"pasword": "secret"}, "has no option 'pasword'"),
        ({"password": 5}, "'password' .* has to be a text"),
        ({"threads": 0}, "a number from 1 to 64"),
        ({"threads": True}, "a number from 1 to 64"),
        ({"plain_http": "yes"}, "true or false"),
        ({"user": "somebody"}, "do not say who asks"),
        ({"user": "a", "password": "secret", "identity_token": "secret"}, "do not say who asks"),
    ):
        with pytest.raises(ConfigError, match=text) as caught:
            connect(url, options)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Bearer realm="https://a/b",service="c d",scope="x:y:pull,push z:w:pull"'],
         [("bearer", {"realm": "https://a/b", "service": "c d", "scope": "x:y:pull,push z:w:pull"})]),
        (['Basic realm="a, b=c", Bearer realm=plain'], [("basic", {"realm": "a, b=c"}), ("bearer", {"realm": "plain"})]),
        (['bearer realm="a\\"b"', "BASIC"], [("bearer", {"realm": 'a"b'}), ("basic", {})]),
        (["", ",,,", '"', "=" * 10_000, " " * 60_000], []),
    ],
)  # fmt: skip
def test_challenges_are_read_as_the_standard_has_them(headers: list[str], expected: list[Any]) -> None:
    """Several challenges in one header or many, quoted commas, escapes; what is no challenge is passed over."""
    assert [tuple(challenge) for challenge in parse_challenges(headers)] == expected

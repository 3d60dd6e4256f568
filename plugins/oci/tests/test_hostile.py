"""Registries that mean harm: odd hosts, numbers, lists and manifests end in Tiffin's own errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from faults import Fault, Request, answer, proxy
from registries import Registry
from tiffin.exceptions import RemoteDamagedError, RemoteUnreachableError, TransferError
from tiffin_oci import _auth, _manifests
from tiffin_oci import _media_types as types
from tiffin_oci._connections import Origin
from tiffin_oci._credentials import Credentials
from tiffin_oci._reading import Manifest, read_json
from tiffin_oci._reference import parse
from tiffin_oci._remote import OciRemote

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b"])
def test_a_host_that_no_resolver_takes_is_refused(host: str) -> None:
    """A name whose parts are empty or too long is told before anything is sent."""
    with pytest.raises(TransferError, match="no URL of a registry"):
        parse(f"oci://{host}/x")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b"])
def test_a_redirect_to_such_a_host_is_an_error_of_the_registry(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, host: str
) -> None:
    """What the resolver raises, which is no OSError, is told as a connection that cannot be made; it is not tried again."""

    def decide(request: Request) -> Fault:
        return answer(302, Location=f"http://{host}/x")

    with proxy(registry.port, decide) as front, pytest.raises(RemoteUnreachableError):
        open_remote(f"oci://{front.host}/{space}").find("iris", "v1")
    assert len(front.requests) == 1


def test_a_chunk_of_negative_size_is_a_broken_connection(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """http.client raises a ValueError for it."""
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n"
    with proxy(registry.port, lambda _: Fault(answer=text)) as front, pytest.raises(RemoteUnreachableError):
        open_remote(f"oci://{front.host}/{space}").find("iris", "v1")


def test_a_token_that_holds_for_ever_and_longer_is_none() -> None:
    """A lifetime beyond all floats is an answer without a token."""

    def ask(*_: Any) -> tuple[int, bytes]:
        return 200, b'{"token": "x", "expires_in": ' + b"9" * 400 + b"}"

    auth = _auth.Authorizer(Origin.of("http://127.0.0.1"), Credentials, ask, "oci://127.0.0.1")
    with pytest.raises(TransferError, match="without a token"):
        auth.answer(['Bearer realm="http://127.0.0.1/t"'], [], "")


@pytest.mark.parametrize("config", [[1], "text", None])
def test_a_config_that_is_no_object_is_passed_over(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, config: object
) -> None:
    """Of an artifact whose config is nonsense the files are still known."""
    layer = {"mediaType": "application/vnd.cncf.model.weight.v1.raw", "digest": "sha256:" + "a" * 64, "size": 1}
    body = json.dumps({"mediaType": MANIFEST, "layers": [layer], "config": config}).encode()
    with proxy(registry.port, lambda _: answer(200, body, Content_Type=MANIFEST)) as front:
        found = open_remote(f"oci://{front.host}/{space}").find("iris", "v1")
    assert found is not None
    assert [content.size for content in found.contents] == [1]


def test_half_a_surrogate_pair_is_refused() -> None:
    """JSON can spell what no record can hold."""
    with pytest.raises(RemoteDamagedError, match="not Unicode"):
        read_json(b'{"a": {"\\uD800": 1}}', "It", "oci://x")
    assert read_json(b'{"a": "\\ud83d\\ude00"}', "It", "oci://x") == {"a": "\U0001f600"}


def test_a_version_that_is_no_tag_is_none() -> None:
    """What a manifest says of its version stands in messages, so it has to be one."""
    said = {types.RECORD: "sha256:" + "a" * 64, types.VERSION: "\x1b[2Jv1"}
    assert Manifest("", MANIFEST, b"", {"annotations": said}, "", "").version is None
    said[types.VERSION] = "v1"
    assert Manifest("", MANIFEST, b"", {"annotations": said}, "", "").version == "v1"


def test_lists_are_bounded_in_bytes_and_in_circles(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that leads back to a page that was read, or has too many bytes, ends in an error."""

    def again(request: Request) -> Fault:
        return answer(200, b'{"tags": []}', Link=f'<{request.path}>; rel="next"')

    with proxy(registry.port, again) as front, pytest.raises(TransferError, match="does not end"):
        open_remote(f"oci://{front.host}/{space}").versions("iris")
    assert len(front.requests) <= 2
    monkeypatch.setattr(_manifests, "MAX_LISTED", 1000)

    def long(request: Request) -> Fault:
        return answer(200, b'{"tags": []}' + b" " * 300, Link=f'</v2/x?{len(front.requests)}>; rel="next"')

    with proxy(registry.port, long) as front, pytest.raises(TransferError, match="does not end"):
        open_remote(f"oci://{front.host}/{space}").versions("iris")
    assert len(front.requests) == 4

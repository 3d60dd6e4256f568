"""What networks and registries do wrong: cut connections, trouble, lies. Nothing half is taken, and tries are bounded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from email.utils import formatdate

import pytest

from faults import Fault, Request, answer, proxy
from registries import Registry
from stepwise import FILES, make_version, opened, pull, push
from tiffin.exceptions import (
    RemoteDamagedError,
    RemoteDeniedError,
    RemoteUnreachableError,
    TransferError,
)
from tiffin.remotes import Content
from tiffin_oci import _client
from tiffin_oci._remote import OciRemote

DATA = bytes(range(256)) * 8192
BIG = Content(sha256=hashlib.sha256(DATA).hexdigest(), size=len(DATA), path="big")


@pytest.mark.parametrize("cut", [0, 1, 70_000, 1_000_000, len(DATA) - 1])
def test_an_upload_that_is_cut_is_begun_anew(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, cut: int, waits: list[float]
) -> None:
    """A connection that ends after some bytes of a blob costs a second try, with the source opened anew."""
    cuts = []

    def decide(request: Request) -> Fault | None:
        if request.method == "PUT" and "/blobs/" in request.path and len(cuts) < 2:
            cuts.append(request)
            return Fault(cut_request=cut)
        return None

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}")
        remote.send("iris", BIG.sha256, BIG.size, lambda: opened(DATA))
        assert remote.has("iris", BIG.sha256, BIG.size)
    assert len(cuts) == len(waits) == 2


def test_an_upload_whose_answer_is_lost_is_not_repeated(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Where the blob had arrived, and only the answer was cut off, nothing is sent again."""
    puts = []

    def decide(request: Request) -> Fault | None:
        if request.method == "PUT":
            puts.append(request)
            return Fault(cut_answer=5)
        return None

    with proxy(registry.port, decide) as front:
        open_remote(f"oci://{front.host}/{space}").send("iris", BIG.sha256, BIG.size, lambda: opened(DATA))
    assert len(puts) == 1


def test_an_upload_that_is_always_cut_ends_in_an_error(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, waits: list[float]
) -> None:
    """Tries are bounded, and the error says how many there were."""

    def decide(request: Request) -> Fault | None:
        return Fault(cut_request=1000) if request.method == "PUT" else None

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}", retries=3)
        with pytest.raises(RemoteUnreachableError, match="in 4 tries"):
            remote.send("iris", BIG.sha256, BIG.size, lambda: opened(DATA))
    assert len(waits) == 3


@pytest.mark.parametrize("cut", [20_000, 70_000, 1_000_000, len(DATA)])
def test_reading_that_breaks_off_is_told_and_goes_on(
    registry: Registry, remote: OciRemote, open_remote: Callable[..., OciRemote], space: str, cut: int
) -> None:
    """A broken connection is never taken for the end; what came before is not asked for again."""
    remote.send("iris", BIG.sha256, BIG.size, lambda: opened(DATA))
    push(remote, make_version())
    version = remote.find("iris", "v1")
    assert version is not None

    def decide(request: Request) -> Fault | None:
        return Fault(cut_answer=cut) if request.method == "GET" and "/blobs/" in request.path else None

    with proxy(registry.port, decide) as front:
        broken = open_remote(f"oci://{front.host}/{space}")
        data = b""
        for _ in range(len(DATA) // (cut - 600) + 2):
            try:
                with broken.open(version, BIG, len(data)) as source:
                    while piece := source.read(50_000):
                        data += piece
            except RemoteUnreachableError:
                continue
            break
        assert data == DATA
        ranges = [request.headers.get("range") for request in front.requests if "/blobs/" in request.path]
    assert ranges[0] is None
    assert all(found is not None for found in ranges[1:])


def test_a_server_that_ignores_ranges_is_read_past(
    registry: Registry, remote: OciRemote, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Where all is sent instead of a part, what is not needed is skipped."""
    push(remote, make_version())
    version = remote.find("iris", "v1")
    assert version is not None
    data = FILES["weights.bin"]
    content = Content(sha256=hashlib.sha256(data).hexdigest(), size=len(data))

    def decide(request: Request) -> Fault | None:
        return answer(200, data) if "range" in request.headers else None

    with proxy(registry.port, decide) as front:
        assert pull(open_remote(f"oci://{front.host}/{space}"), version, content, 1234) == data[1234:]


@pytest.mark.parametrize(
    "fault",
    [
        answer(206, b"x" * 10, Content_Range="bytes 0-9/20"),
        answer(206, b"x" * 10),
        answer(206, b"x" * 10, Content_Range="bytes ten-"),
        answer(200, b"x" * 10),
        answer(200, b"x" * 10_000_000),
        Fault(answer=b"HTTP/1.1 206 OK\r\nConnection: close\r\nContent-Range: bytes 4-9/10\r\n\r\n" + DATA[4:]),
    ],
)
def test_another_part_or_length_than_was_asked_for_is_refused(
    registry: Registry, remote: OciRemote, open_remote: Callable[..., OciRemote], space: str, fault: Fault
) -> None:
    """A registry that sends other bytes than it says, or another number, is not believed."""
    push(remote, make_version())
    version = remote.find("iris", "v1")
    assert version is not None
    with proxy(registry.port, lambda request: fault) as front:
        broken = open_remote(f"oci://{front.host}/{space}")
        with pytest.raises(RemoteDamagedError):
            pull(broken, version, BIG, 5)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_that_passes_is_waited_out(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, status: int, waits: list[float]
) -> None:
    """Each first answer of trouble is followed by a wait and another try, whatever was asked."""
    seen = set()

    def decide(request: Request) -> Fault | None:
        key = (request.method, request.path.partition("?")[0].rpartition("/")[0])
        if key in seen:
            return None
        seen.add(key)
        return answer(status, b'{"errors": [{"code": "X", "message": "trouble"}]}')

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}")
        version = make_version()
        push(remote, version)
        found = remote.find("iris", "v1")
        assert found is not None
        assert found.record == version.record
        assert pull(remote, found, version.contents[-1]) == FILES["weights.bin"]
    assert len(waits) >= 4


@pytest.mark.parametrize(
    ("status", "how"), [(429, "had too many requests"), (500, "is in trouble"), (503, "is in trouble")]
)
def test_trouble_that_stays_is_told_after_bounded_tries(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, status: int, how: str, waits: list[float]
) -> None:
    """The error names the status, what was asked, what the registry says, and how often it was asked."""
    body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "come back\\u001b[31m later"}]}'
    with proxy(registry.port, lambda request: answer(status, body)) as front:
        remote = open_remote(f"oci://{front.host}/{space}", retries=2)
        with pytest.raises(
            RemoteUnreachableError, match=rf"{how}, after 3 tries: status {status}.*come back"
        ) as caught:
            remote.find("iris", "v1")
    assert "\x1b" not in str(caught.value)
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("after", "low", "high"),
    [("7", 7, 7), (formatdate(4e9, usegmt=True), None, None), ("40", None, None), ("soon", 0, 1)],
)
def test_what_a_registry_asks_to_wait_is_waited_within_a_bound(
    registry: Registry,
    open_remote: Callable[..., OciRemote],
    space: str,
    waits: list[float],
    after: str,
    low: float | None,
    high: float | None,
) -> None:
    """Retry-After is honoured in seconds; one of years is not waited for, and one that cannot be read counts as none."""

    def decide(request: Request) -> Fault | None:
        return answer(429, Retry_After=after) if request.number == 0 else None

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}")
        if low is None:
            with pytest.raises(RemoteUnreachableError, match="too many requests"):
                remote.find("iris", "v1")
            assert waits == []
        else:
            assert remote.find("iris", "v1") is None
            assert low <= waits[0] <= high


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (403, RemoteDeniedError, r"does not allow this without credentials: status 403 .*DENIED: no\."),
        (404, TransferError, "does not have it: status 404"),
        (413, TransferError, "takes no body of this size"),
        (405, TransferError, "refused: status 405"),
    ],
)
def test_a_refusal_is_told_at_once(
    registry: Registry,
    open_remote: Callable[..., OciRemote],
    space: str,
    status: int,
    kind: type[TransferError],
    text: str,
    waits: list[float],
) -> None:
    """What trying again cannot help is told with its reason, and nothing is tried again."""
    body = b'{"errors": [{"code": "DENIED", "message": "no"}]}' if status == 403 else b"<html>not for people</html>"
    with proxy(registry.port, lambda request: answer(status, body)) as front:
        remote = open_remote(f"oci://{front.host}/{space}")
        with pytest.raises(kind, match=text) as caught:
            remote.send("iris", "0" * 64, 10, lambda: opened(b"0123456789"))
    assert type(caught.value) is kind
    assert "html" not in str(caught.value)
    assert waits == []


def test_a_body_that_is_too_large_for_a_proxy_goes_in_parts(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 413 for a whole blob is answered by sending it in smaller requests."""
    from tiffin_oci import _blobs

    monkeypatch.setattr(_blobs, "SMALLER", 500_000)

    def decide(request: Request) -> Fault | None:
        return answer(413) if int(request.headers.get("content-length", 0)) > 1_000_000 else None

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}")
        remote.send("iris", BIG.sha256, BIG.size, lambda: opened(DATA))
        assert remote.has("iris", BIG.sha256, BIG.size)
        assert sum(request.method == "PATCH" for request in front.requests) == 5


def test_bytes_that_change_on_their_way_are_found(
    registry: Registry, remote: OciRemote, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """A manifest, or a record, that is not what its digest says is refused, and both digests are named."""
    push(remote, make_version())

    def change(data: bytes) -> bytes:
        return data.replace(b'"schemaVersion":2', b'"schemaVersion":3')

    with (
        proxy(registry.port, lambda request: Fault(change=change)) as front,
        pytest.raises(RemoteDamagedError, match=r"is not what its digest says: it should be sha256:.*and is sha256:"),
    ):
        open_remote(f"oci://{front.host}/{space}").find("iris", "v1")
    with (
        proxy(
            registry.port, lambda request: Fault(change=lambda data: data.replace(b"name: iris", b"name: rose"))
        ) as front,
        pytest.raises(RemoteDamagedError, match=r"The record of iris:v1 .*is not what its digest says"),
    ):
        open_remote(f"oci://{front.host}/{space}").find("iris", "v1")


def test_an_answer_without_end_is_not_read_to_its_end(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has to fit into memory is bounded, with and without a length; errors are clipped."""
    monkeypatch.setattr(_client, "MAX_BODY", 1000)
    endless = Fault(answer=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 5_000_000)
    for fault in (answer(200, b"x" * 5_000_000), endless):
        with (
            proxy(registry.port, lambda request, fault=fault: fault) as front,
            pytest.raises(TransferError, match="answered with more than"),
        ):
            open_remote(f"oci://{front.host}/{space}").find("iris", "v1")
    with (
        proxy(registry.port, lambda request: answer(405, b"x" * 5_000_000)) as front,
        pytest.raises(TransferError) as caught,
    ):
        open_remote(f"oci://{front.host}/{space}").find("iris", "v1")
    assert len(str(caught.value)) < 1000


def test_redirects_end(registry: Registry, open_remote: Callable[..., OciRemote], space: str) -> None:
    """A registry that sends its clients in a circle is told of, and so is one that sends them nowhere."""
    with (
        proxy(registry.port, lambda request: answer(307, Location=request.path)) as front,
        pytest.raises(TransferError, match="redirects more than 5 times"),
    ):
        open_remote(f"oci://{front.host}/{space}").find("iris", "v1")
    for location in ("file:///etc/passwd", "http://:80/", "http://[::1"):
        with (
            proxy(registry.port, lambda request, location=location: answer(302, Location=location)) as front,
            pytest.raises(TransferError, match="sends its clients to"),
        ):
            open_remote(f"oci://{front.host}/{space}").find("iris", "v1")


def test_a_redirect_out_of_tls_is_not_followed() -> None:
    """From https to http nothing goes, not even a request without credentials."""
    client = _client.Client("https://registry.example", "oci://registry.example", lambda: pytest.fail("asked"))
    with pytest.raises(TransferError, match="From https that is not followed"):
        client.next_url("https://registry.example/v2/x", "http://storage.example/y", "a test")
    assert client.next_url("https://a.example/v2/x", "https://b.example/y", "a test") == "https://b.example/y"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"tags": 5}', b'{"tags": [5, null]}', b"[" * 200_000, b'{"tags": ["v1", "bad tag/../x"]}'],
)
def test_a_list_of_tags_that_makes_no_sense_does_no_harm(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str, body: bytes
) -> None:
    """Nonsense is an error of Tiffin's, or no version; never another kind of failure."""

    def decide(request: Request) -> Fault | None:
        return answer(200, body) if "/tags/list" in request.path else None

    with proxy(registry.port, decide) as front:
        remote = open_remote(f"oci://{front.host}/{space}")
        try:
            found = list(remote.versions("iris"))
        except TransferError as error:
            found = [] if "JSON" in str(error) else [str(error)]
        assert found == []
        assert {request.path for request in front.requests if "manifests" in request.path} <= {
            f"/v2/{space}/iris/manifests/v1"
        }


def test_long_lists_come_in_pages(registry: Registry, open_remote: Callable[..., OciRemote], space: str) -> None:
    """Each page's Link header names the next one; a list without end, and one that goes on elsewhere, are refused."""
    pages = {
        "": ("1", '</v2/x?last=1&n=1>; rel="next"'),
        "last=1&n=1": ("2", "<?last=2>; rel=next"),
        "last=2": ("3", ""),
    }
    seen: list[str] = []

    def decide(request: Request) -> Fault | None:
        if "/manifests/" in request.path:
            seen.append(request.path.rpartition("/")[2])
            return answer(404)
        query = request.path.partition("?")[2]
        tag, link = pages[query if "last" in query else ""]
        return answer(200, json.dumps({"tags": [tag]}).encode(), **({"Link": link} if link else {}))

    with proxy(registry.port, decide) as front:
        open_remote(f"oci://{front.host}/{space}").versions("iris")
    assert sorted(seen) == ["1", "2", "3"]

    def forever(request: Request) -> Fault:
        return answer(200, b'{"tags": []}', Link='</v2/x>; rel="next"')

    with proxy(registry.port, forever) as front, pytest.raises(TransferError, match="does not end"):
        open_remote(f"oci://{front.host}/{space}").versions("iris")
    elsewhere = answer(200, b'{"tags": []}', Link='<http://127.0.0.1:9/x>; rel="next"')
    with (
        proxy(registry.port, lambda request: elsewhere) as front,
        pytest.raises(TransferError, match=r"continues a list at '127\.0\.0\.1:9'"),
    ):
        open_remote(f"oci://{front.host}/{space}").versions("iris")


def test_a_repository_that_may_not_be_read_is_not_linked_from(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """What another repository refuses is no error of a push; it is not asked again."""
    with proxy(registry.port, lambda request: answer(403) if "/secret/" in request.path else None) as front:
        remote = open_remote(f"oci://{front.host}/{space}", mount_from=f"{space}/secret/one")
        assert not remote.has("iris", BIG.sha256, BIG.size)
        assert not remote.has("iris", BIG.sha256, BIG.size)
        assert sum("/secret/" in request.path for request in front.requests) == 1


def test_a_registry_without_a_catalog_says_so(
    registry: Registry, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Registries for many people show no list of all: the error says what can be listed."""
    for status in (401, 403, 404):
        with (
            proxy(registry.port, lambda request, status=status: answer(status)) as front,
            pytest.raises(TransferError, match=r"does not tell which models it has.*Name the model"),
        ):
            open_remote(f"oci://{front.host}/{space}").names()


def test_a_connection_that_the_server_has_closed_is_made_anew(
    own: Registry, open_remote: Callable[..., OciRemote], space: str, waits: list[float]
) -> None:
    """A kept connection that ended meanwhile costs no try and no wait."""
    remote = open_remote(f"oci://{own.host}/{space}", retries=0)
    assert remote.find("iris", "v1") is None
    own.kill()
    own.start()
    assert remote.find("iris", "v1") is None
    assert waits == []

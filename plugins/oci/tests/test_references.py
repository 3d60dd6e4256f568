"""URLs of registries, and the names that repositories can have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.exceptions import TransferError
from tiffin_oci import _media_types as types
from tiffin_oci._reference import is_loopback, parse
from tiffin_oci._waiting import retry_after


@pytest.mark.parametrize(
    ("url", "name", "repository"),
    [
        ("oci://ghcr.io/team/models", "iris", "team/models/iris"),
        ("oci://ghcr.io/team/models/", "iris", "team/models/iris"),
        ("oci://ghcr.io/team/iris", "iris", "team/iris"),
        ("oci://localhost:5000", "iris", "iris"),
        ("oci://[::1]:5000/a", "b.c__d-e", "a/b.c__d-e"),
    ],
)
def test_the_repository_is_the_path_and_the_name(url: str, name: str, repository: str) -> None:
    """A URL that ends in the model's name is its repository; else the name is added."""
    assert parse(url).repository(name) == repository


@pytest.mark.parametrize(
    "url",
    [
        "oci://", "oci:///team", "oci://host:port/x", "oci://host:99999/x", "oci://ho st/x", "oci://host/Team",
        "oci://host/a//b", "oci://host/a/../b", "oci://host/iris:v1", "oci://host/a?b=c", "oci://host/a#b", "oci://[::1/x",
        "oci://host/a%2fb", "oci://-host/x",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_registry_is_refused(url: str) -> None:
    """The error shows how one is written."""
    with pytest.raises(TransferError, match=r"oci://HOST"):
        parse(url)


def test_a_refused_url_shows_no_password() -> None:
    """Not even an error about the URL itself shows what is secret in it."""
    for url in (
        "oci://user:secret@host/UPPER",
        "oci://host/x?token=secret",
        "oci://user:a/secret@host/x",
        "oci://user:secret@[::1/x",
        "oci://user:secret@host:nan/x",
    ):
        with pytest.raises(TransferError) as caught:
            parse(url)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1:5000", True), ("127.9.9.9", True), ("[::1]", True),
        ("[::1]:5000", True), ("models.localhost", True), ("ghcr.io", False), ("127.0.0.1.example", False),
        ("10.0.0.1:5000", False), ("[2001:db8::1]:5000", False),
    ],
)  # fmt: skip
def test_this_machine_is_known_by_its_name(host: str, local: bool) -> None:
    """Without TLS only this machine is spoken to, unless it is asked for."""
    assert is_loopback(host) is local
    assert parse(f"oci://{host}/x").plain_http is local
    assert parse(f"oci+http://{host}/x").plain_http
    assert not parse(f"oci://{host}/x", plain_http=False).plain_http


def test_docker_hub_is_known_by_its_short_name() -> None:
    """`docker.io` is where people log in; its registry has another host."""
    place = parse("oci://docker.io/someone")
    assert place.server == "registry-1.docker.io"
    assert place.url == "oci://docker.io/someone"


def test_a_repository_with_a_name_too_long_is_refused() -> None:
    """Registries bound the whole name."""
    with pytest.raises(TransferError, match="more than 255 characters"):
        parse("oci://ghcr.io/" + "/".join(["part" * 15] * 4)).repository("iris")


@given(st.text(max_size=40), st.text(max_size=80))
def test_any_text_is_a_url_or_refused(host: str, path: str) -> None:
    """Whatever is given, it is checked, or an error of Tiffin's."""
    try:
        place = parse(f"oci://{host}/{path}")
    except TransferError:
        return
    assert parse(place.url).repository("iris") == place.repository("iris")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("model.safetensors", types.WEIGHT), ("model.pkl", types.WEIGHT), ("weights", types.WEIGHT),
        ("a/config.json", types.WEIGHT_CONFIG), ("vocab.txt", types.WEIGHT_CONFIG), ("model.yaml", types.WEIGHT_CONFIG),
        ("README.md", types.DOC), ("a/LICENSE", types.DOC), ("LICENSE.txt", types.DOC), ("Model_Card.html", types.DOC),
        ("modeling.py", types.CODE), ("a/b/run.sh", types.CODE),
    ],
)  # fmt: skip
def test_a_layer_is_called_by_what_its_file_is(path: str, media_type: str) -> None:
    """Documents, code and settings are known by their names; all else are weights."""
    assert types.layer_type(path) == media_type


@pytest.mark.parametrize(
    ("media_type", "packing"),
    [
        (types.WEIGHT, ""), ("application/vnd.cncf.model.weight.v1.tar", "tar"),
        ("application/vnd.cncf.model.doc.v1.tar+gzip", "tar.gz"), ("application/vnd.cncf.model.code.v1.tar+zstd", "tar.zst"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", "tar.gz"), ("application/octet-stream", ""),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", None), ("application/x-tar+xz", None), ("", ""),
        ("application/vnd.kitops.modelkit.model.v1.tar", "tar"),
    ],
)  # fmt: skip
def test_how_a_layer_is_packed_is_read_from_its_type(media_type: str, packing: str | None) -> None:
    """Raw, tar, gzip and zstd are known; what else says that it is packed is not guessed at."""
    assert types.packing(media_type) == packing


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("", None), ("5", 5), (" 5 ", 5), ("-5", None), ("nan", None), ("9" * 99, 1e9 - 1),
                          ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_is_read_as_the_standard_has_it(text: str | None, seconds: float | None) -> None:
    """Seconds or a date; what is neither counts as not said."""
    assert retry_after(text) == seconds

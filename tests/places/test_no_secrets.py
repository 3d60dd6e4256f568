"""What a URL holds that must not be shown: not in errors, not in their causes, not in records."""

from __future__ import annotations

import contextlib
import traceback

import pytest

from inside.places import _driver_errors
from tiffin.exceptions import ArchiveError
from tiffin.places import open_source, redact, told

URLS = {
    "https://me:s3cret@host/a": "https://***:***@host/a",
    "https://ghp_s3cret@host/a": "https://***@host/a",
    "https://s3cret:@host/a": "https://***:***@host/a",
    "https://host/a?sig=s3cret": "https://host/a?…",
    "https://host/a#s3cret": "https://host/a?…",
    "https://me:s3c/s3cret@host/a": "https://***:***@host/a",
    "https://me:s3c?s3cret@host/a": "https://***:***@host/a",
    "https://me:s3c#s3cret@host/a": "https://***:***@host/a",
    "simplecache::https://me:s3cret@host/a": "simplecache::https://***:***@host/a",
    "zip://x.zip::ftp://me:s3cret@host/a": "zip://x.zip::ftp://me:***@host/a",
    "sftp://me:s3cret@host/a": "sftp://me:***@host/a",
    "abfs://box@account/a": "abfs://box@account/a",
    "s3://bucket/a@b": "s3://bucket/a@b",
    "http://127.0.0.1:5000/a@b": "http://127.0.0.1:5000/a@b",
    "/a/b@c": "/a/b@c",
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_shown_without_what_may_be_secret(url: str) -> None:
    """Passwords, tokens in the user's place, queries, fragments, in each link of a chain."""
    assert redact(url) == URLS[url]


@pytest.mark.parametrize("url", [url for url in URLS if "s3cret" in url])
@pytest.mark.parametrize("kind", [OSError, FileNotFoundError, ValueError, RuntimeError])
def test_causes_that_a_traceback_shows_hold_no_secret(url: str, kind: type[Exception]) -> None:
    """Drivers put URLs into their errors, and those are chained."""

    def fail() -> None:
        try:
            raise OSError(5, "broken", url)
        except OSError as inner:
            raise kind(f"cannot open {url}") from inner

    with pytest.raises(ArchiveError) as caught, told(url, "read"):
        fail()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_values_of_options_are_in_no_error_of_a_driver() -> None:
    """Whenever a driver says them; but what helps to find a fault, as an endpoint, is told."""
    options = {"secret": "h1dden/one", "client_kwargs": {"token": "h1dden-two"}, "endpoint_url": "http://127.0.0.1:9"}
    with contextlib.suppress(ArchiveError), open_source("nosuch://bucket/a", options):
        pass

    said = "signed h1dden%2Fone with h1dden-two of h1dden/one at http://127.0.0.1:9"

    def fail() -> None:
        raise ValueError(said)

    with pytest.raises(ArchiveError) as caught, told("s3://bucket/another", "read"):
        fail()
    text = "".join(traceback.format_exception(caught.value))
    assert "h1dden" not in text
    assert "signed *** with *** of *** at http://127.0.0.1:9" in text


class _Request:
    """What a driver keeps in its errors."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __repr__(self) -> str:
        return f"<GET {self.url}>"


class _Own(RuntimeError):
    """One that makes its text anew each time."""

    def __str__(self) -> str:
        return "GET https://me:s3cret@host/a"


@pytest.mark.parametrize("kind", ["text of an object", "text of its own", "notes", "nested", "group", "bytes"])
def test_what_holds_a_secret_in_any_way_is_cleaned_or_cut_off(kind: str) -> None:
    """A traceback shows none; what cannot be cleaned is no cause."""
    url = "https://me:s3cret@host/a"

    def fail() -> None:
        error = _Own() if kind == "text of its own" else RuntimeError("broken")
        if kind == "text of an object":
            error.args = (_Request(url),)
        elif kind == "notes":
            error.add_note(url)
        elif kind == "nested":
            error.args = ({"request": [url, (url,)]},)
        elif kind == "bytes":
            error.args = (url.encode(),)
        elif kind == "group":
            raise ExceptionGroup("several", [error, RuntimeError(url)])
        raise error

    with pytest.raises(ArchiveError) as caught, told(url, "read"):
        fail()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in str(caught.value)
    assert (caught.value.__cause__ is None) == (kind == "text of its own")


def test_what_is_remembered_is_bounded() -> None:
    """A program that runs for months connects to many places."""
    for number in range(3000):
        _driver_errors.remember(f"s3://user:password{number}@host/x", {})
    assert len(_driver_errors._remembered) <= 1000
    assert "password2999" in _driver_errors._remembered

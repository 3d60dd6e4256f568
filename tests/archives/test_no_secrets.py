"""What a URL holds that must not be shown: not in errors, not in their causes, not in records."""

from __future__ import annotations

import traceback

import pytest

from tiffin.exceptions import ArchiveError
from tiffin.places import redact, told

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

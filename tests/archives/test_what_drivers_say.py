"""What drivers raise, told in words: which of it is about a login, and which about an option."""

from __future__ import annotations

import pytest

from inside.remotes import remote_errors
from tiffin.exceptions import RemoteDeniedError, TransferError


class NoCredentialsError(Exception):
    """Called as botocore's is."""


@pytest.mark.parametrize("doing", ["read", "write"])
def test_a_driver_without_a_login_is_told_to_log_in(doing: str) -> None:
    """And not to look whether the place can be reached: it was not asked."""
    with (
        pytest.raises(RemoteDeniedError, match=r"Unable to locate credentials\. Log in with the service's own tool"),
        remote_errors("s3://bucket/x", doing),
    ):
        raise NoCredentialsError("Unable to locate credentials")


def test_an_option_that_the_driver_does_not_know_is_told_as_one() -> None:
    """The driver names it."""
    with (
        pytest.raises(TransferError, match=r"'endpoint'\. Look at the options"),
        remote_errors("s3://bucket/x", "read"),
    ):
        raise TypeError("__init__() got an unexpected keyword argument 'endpoint'")


def test_only_the_first_line_of_what_a_driver_says_is_shown() -> None:
    """Some add pages of rules."""
    with pytest.raises(TransferError) as caught, remote_errors("s3://bucket/x", "read"):
        raise ValueError("The bucket's name is not valid:\nIt must match …")
    assert caught.value.what == "Could not read s3://bucket/x: ValueError: The bucket's name is not valid:"


def test_a_web_server_that_is_not_reached_is_not_said_to_lack_the_file() -> None:
    """Its driver raises the same for both, and only the cause tells."""
    with (
        pytest.raises(TransferError, match=r"it cannot be reached \(Connection refused\)"),
        remote_errors("https://host/x", "read"),
    ):
        raise FileNotFoundError("https://host/x") from ConnectionRefusedError("Connection refused")
    with pytest.raises(TransferError, match="it is not there"), remote_errors("https://host/x", "read"):
        raise FileNotFoundError("https://host/x")

"""Errors of remotes: what a driver raises, told as Tiffin's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from tiffin.exceptions import ArchiveError, RemoteDeniedError, RemoteUnreachableError, TransferError
from tiffin.places import lacks_credentials, redact, told

_FINAL = (
    ImportError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    TypeError,
    ValueError,
)


def unused_options(url: str, options: Iterable[str], why: str) -> TransferError:
    """Return the error for options of a remote that nobody would read.

    Args:
        url: the remote's.
        options: their names; values may be secrets.
        why: why nobody reads them, as a sentence.
    """
    return TransferError(
        f"{redact(url)} has no option {', '.join(map(repr, options))}",
        why=f"{why}: what is given would be left out, and nobody be told",
        fix="Leave it out (params=, or the remote's options in config.toml)",
        url=redact(url),
    )


@contextlib.contextmanager
def remote_errors(url: str, doing: str) -> Iterator[None]:
    """Turn what a driver raises in the block into errors of Tiffin.

    Args:
        url: the remote's, as it may be shown; or that of one object on it.
        doing: "read" or "write".

    Raises:
        RemoteDeniedError: the driver says that it may not.
        RemoteUnreachableError: anything that may go well another time.
        TransferError: anything else.
        StorageFullError: no space is left there.
    """
    try:
        with told(url, doing):
            yield
    except ArchiveError as error:
        cause = error.__cause__
        kind: type[TransferError] = RemoteUnreachableError
        if isinstance(cause, PermissionError) or lacks_credentials(cause):
            kind = RemoteDeniedError
        elif cause is None or isinstance(cause, _FINAL):
            kind = TransferError
        fix = error.fix
        if not fix and kind is RemoteUnreachableError:
            fix = "Look whether it can be reached, and try again"
        elif not fix and doing == "write" and isinstance(cause, FileNotFoundError):
            fix = "Make the bucket or folder first"
        elif not fix and kind is RemoteDeniedError:
            fix = "Look at the credentials that its driver uses"
        raise kind(error.what, why=error.why, fix=fix, url=url) from (cause or error)

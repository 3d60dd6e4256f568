"""Errors of places: what a disk or a driver raises, told as Tiffin's own; nothing secret is shown."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from tiffin.exceptions import ArchiveError, StorageFullError, TiffinError
from tiffin.hints import install_hint
from tiffin.places._urls import is_url, redact, secrets_of

_HARMLESS = (
    *(
        "account_name",
        "base_url",
        "block_size",
        "ca_file",
        "endpoint",
        "endpoint_url",
        "host",
        "mode",
        "port",
        "profile",
    ),
    *("project", "protocol", "region", "region_name", "requester_pays", "user", "username", "version_aware"),
)
"""Options of drivers whose values help whoever reads an error; those of all others are hidden."""
_MOST_REMEMBERED = 1000
_NO_CREDENTIALS = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
    "DefaultCredentialsError",
    "RefreshError",
    "ClientAuthenticationError",
    "CredentialUnavailableError",
}
"""Classes of botocore's, google-auth's and azure's, none of which is imported here."""


@contextlib.contextmanager
def told(path: str, doing: str) -> Iterator[None]:
    """Turn what goes wrong in the block with `path`, which only opens, reads or writes it, into errors of Tiffin."""
    shown = redact(path)
    scheme = path.split("://", 1)[0].rsplit("::", 1)[-1] if is_url(path) else ""
    try:
        yield
    except TiffinError:
        raise
    except Exception as error:
        secrets = sorted({*secrets_of(path), *_remembered}, key=len, reverse=True)
        is_clean = _clean(error, secrets)
        translated = _translated(error, shown, scheme, doing, secrets)
        if not is_clean:
            raise translated from None
        raise translated from error


def _translated(error: Exception, shown: str, scheme: str, doing: str, secrets: list[str]) -> TiffinError:
    if isinstance(error, ImportError):
        why = f"the driver for {scheme}:// is not installed ({error})"
        return _error(shown, doing, why, install_hint(scheme, "drivers") or "Install what it names")
    if isinstance(error, FileNotFoundError):
        # The driver for web servers says so of hosts that it does not reach, too.
        why = f"it cannot be reached ({error.__cause__})" if _unreached(error.__cause__) else "it is not there"
        return _error(shown, doing, why)
    if isinstance(error, PermissionError):
        return _error(shown, doing, "permission was denied")
    if isinstance(error, IsADirectoryError):
        return _error(shown, doing, "it is a folder")
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and doing == "write":
            return StorageFullError(
                f"No space is left to write {shown}",
                why="Nothing half-written remains",
                fix="Free space, or choose another place",
                path=shown,
            )
        return _error(shown, doing, _without(error.strerror or str(error), secrets) or type(error).__name__)
    # Some drivers add pages of rules to what they say first.
    first = _without(str(error), secrets).strip().partition("\n")[0]
    return _error(shown, doing, f"{type(error).__name__}: {first}", _fix(error))


def lacks_credentials(error: BaseException | None) -> bool:
    """Tell whether a driver means that it has found no login, or one that has expired; known by the names of its errors."""
    return type(error).__name__ in _NO_CREDENTIALS


def _unreached(cause: BaseException | None) -> bool:
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def _fix(error: Exception) -> str:
    if "Protocol not known" in str(error):
        return "Look at the part before ://"
    if lacks_credentials(error):
        return "Log in with the service's own tool, or set the variables that its driver reads"
    if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
        return "Look at the options that were given for the driver: it does not know this one"
    return ""


def _error(shown: str, doing: str, why: str, fix: str = "") -> ArchiveError:
    return ArchiveError(f"Could not {doing} {shown}: {why}", fix=fix, path=shown, member="")


def remember(path: str, options: Mapping[str, Any] | None) -> None:
    """Have the secrets of a URL, and of the options for its driver, taken out of all errors of drivers from now on.

    A driver may tell them at any time, in whatever it is asked then.
    """
    for secret in [*secrets_of(path), *_values(options or {})]:
        if len(_remembered) >= _MOST_REMEMBERED and secret not in _remembered:
            _remembered.pop(next(iter(_remembered)))
        _remembered[secret] = None


_remembered: dict[str, None] = {}


def _values(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _values(value)
        elif isinstance(value, str) and len(value) > 3 and name not in _HARMLESS:
            yield from {value, quote(value), quote(value, safe="")}
        elif isinstance(value, str) and "@" in value:
            yield from secrets_of(value)  # of a URL


def _clean(error: BaseException, secrets: list[str]) -> bool:
    """Take secrets out of a driver's error and of what it comes from, and tell whether none is left that would be shown."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    is_clean = True
    while secrets and pending:
        found = pending.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        pending += [found.__cause__, found.__context__, *getattr(found, "exceptions", ())]
        found.args = tuple(_without(value, secrets) for value in found.args)
        for name, value in list(vars(found).items()):
            with contextlib.suppress(AttributeError, TypeError):  # what cannot be set is not text of the driver's
                setattr(found, name, _without(value, secrets))
        for name in ("filename", "strerror") if isinstance(found, OSError) else ():
            if (value := getattr(found, name)) is not None:  # one that is set, to whatever, is shown
                setattr(found, name, _without(value, secrets))
        if _shows(found, secrets):  # by something else that it holds
            found.args = (_without(str(found), secrets),)
        is_clean = is_clean and not _shows(found, secrets)
    return is_clean


def _shows(error: BaseException, secrets: list[str]) -> bool:
    text = f"{error} {error!r}"
    return any(secret in text for secret in secrets)


def _without(value: Any, secrets: list[str], depth: int = 4) -> Any:
    """Return a value without secrets in its texts; what is of other types as it is."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
    elif isinstance(value, bytes):
        for secret in secrets:
            value = value.replace(secret.encode(), b"***")
    elif depth and type(value) in (list, tuple, set):
        return type(value)(_without(item, secrets, depth - 1) for item in value)
    elif depth and type(value) is dict:
        return {_without(key, secrets): _without(item, secrets, depth - 1) for key, item in value.items()}
    return value


def exists_error(path: str) -> ArchiveError:
    """Return the error for a target that is there already."""
    return ArchiveError(
        f"{redact(path)} exists already",
        fix="Choose another path, or pass force=True (--force)",
        path=redact(path),
        member="",
    )


class Told:
    """A file whose errors, which are those of any driver, become errors of Tiffin."""

    def __init__(self, file: Any, path: str, doing: str) -> None:
        self._file = file
        self._path = path
        self._doing = doing

    def read(self, size: int = -1) -> bytes:
        with told(self._path, self._doing):
            data: bytes = self._file.read(size)
        return data

    def write(self, data: Any) -> int:
        with told(self._path, self._doing):
            self._file.write(data)
        return len(data)

    def flush(self) -> None:
        pass

"""URLs: which text is one and which a local path, and what of it may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

from tiffin.exceptions import ArchiveError

_PEOPLE = ("sftp", "ssh", "ftp", "ftps", "smb", "hdfs", "abfs", "abfss", "az", "adl")
"""Schemes whose URLs name a person or a container before the "@", and no token."""
_LONGEST_USER = 32
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"
_URL = re.compile(f"(?:{_SCHEME}::)*{_SCHEME}://")
_FILE = re.compile("(?:file|local)://", re.IGNORECASE)


def is_url(path: str) -> bool:
    """Tell whether `path` is a URL, or a chain of them as fsspec has them (`simplecache::s3://…`), and not a local path.

    A local path may hold "::", and even "://" behind its first "/".
    """
    return _URL.match(path) is not None


def to_path(text: str) -> str:
    """Return the local path that a `file://` URL stands for; anything else as it is.

    Raises:
        ArchiveError: the URL names another host.
    """
    found = _FILE.match(text)
    if not found:
        return text
    host, slash, path = text[found.end() :].partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise ArchiveError(
            f"{redact(text)!r} is no URL of a file on this machine: it names the host {host.rpartition('@')[2]!r}",
            why="Behind file:// and the host's name, which is left out here, comes the whole path from the root",
            fix="Write file:///…, with three slashes, or the path itself",
            path=redact(text),
            member="",
        )
    return "/" + unquote(path)


def redact(path: str) -> str:
    """Return a URL, or a chain of them, as it may be shown and recorded: without whatever may be a secret.

    Without password, query and fragment; and without the user, which may be a token, unless the scheme's users are people.
    """
    if not is_url(path):
        return path
    return "::".join(_redacted(link) for link in path.split("::"))


def _redacted(link: str) -> str:
    head, found, rest = link.partition("://")
    if not found:
        return link
    login, host, tail = _parted(rest)
    shown = host + ("?…" if tail else "")
    if not login:
        return f"{head}://{shown}"
    user, colon, _ = login.partition(":")
    user = user if head in _PEOPLE and len(user) <= _LONGEST_USER else "***"
    return f"{head}://{user}{':***' if colon else ''}@{shown}"


def _parted(rest: str) -> tuple[str, str, str]:
    """Return login, host with path, and query with fragment, of what stands behind a URL's "://"."""
    at = min((found for mark in "?#" if (found := rest.find(mark)) >= 0), default=len(rest))
    rest, tail = rest[:at], rest[at:]
    before, _, _ = rest.partition("/")
    if "@" not in before and "@" in rest and ":" in before and not before.rpartition(":")[2].isdigit():
        before = rest.rpartition("@")[0] + "@"  # a password with a slash in it that nobody has quoted
    elif "@" in tail and ":" in before and not before.rpartition(":")[2].isdigit():
        return rest + tail.rpartition("@")[0], tail.rpartition("@")[2], ""  # or with a "?" or "#"
    login = before.rpartition("@")[0]
    return login, rest[len(login) + 1 :] if login else rest, tail


def secrets_of(path: str) -> list[str]:
    """Return what a URL may hold that must not be shown, the longest first; nothing for a local path."""
    found: set[str] = set()
    if not is_url(path):
        return []
    for link in path.split("::"):
        head, _, rest = link.partition("://")
        login, _, tail = _parted(rest)
        user, _, password = login.partition(":")
        found |= {password, tail[1:], *(value for part in tail[1:].split("&") if (value := part.partition("=")[2]))}
        if head not in _PEOPLE or len(user) > _LONGEST_USER:
            found.add(user)
    return sorted(
        {text for secret in found for text in (secret, unquote(secret)) if len(text) > 2}, key=len, reverse=True
    )

"""Tags: the names under which stored models are found.

A tag is `name` or `name:version`. The part after the colon may be a version, a unique prefix of one, an alias, or
`latest`; only a store can tell which. Imports nothing slow: every command starts here.
"""

from __future__ import annotations

import os
import re
import time
from threading import Lock

from tiffin.exceptions import InvalidTagError

LATEST = "latest"
"""The pseudo-version that stands for the newest version of a name."""

MAX_LENGTH = 63
"""Characters that a name, a version or an alias may have."""

_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.ASCII)
# Names of devices on Windows, where a folder of such a name cannot be made: a model saved here could not be copied there.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
# Lower-case Crockford base32: its characters are in the order of their values, so encoded numbers sort as numbers.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


class Tag:
    """A model's name with, if given, its version.

    Args:
        name: 1 to 63 of a-z, 0-9, ".", "_", "-"; begins and ends with a letter or digit.
        version: the same rules; `None` stands for the newest version. May also be an alias, `latest` or a prefix.

    Raises:
        InvalidTagError: a part breaks the rules.
    """

    __slots__ = ("name", "version")

    name: str
    version: str | None

    def __init__(self, name: str, version: str | None = None) -> None:
        self.name = check_part(name, "model name")
        self.version = None if version is None else check_part(version, "version")

    @classmethod
    def parse(cls, tag: Tag | str) -> Tag:
        """Return the tag that `tag` spells, as `name` or `name:version`; a `Tag` is returned as it is.

        Raises:
            InvalidTagError: `tag` is not a string of that form.
        """
        if isinstance(tag, Tag):
            return tag
        if not isinstance(tag, str):
            raise InvalidTagError(
                f"A tag must be a string or a Tag, not {type(tag).__name__}",
                fix="Write 'name' or 'name:version'",
                value=tag,
            )
        name, colon, version = tag.partition(":")
        return cls(name, version if colon else None)

    from_str = parse
    """`parse`, under the name that other tools has for strings."""
    from_taglike = parse
    """`parse`, under the name that other tools has for strings and tags."""

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}:{self.version}"

    def __repr__(self) -> str:
        return f"Tag({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tag):
            return NotImplemented
        return self.name == other.name and self.version == other.version

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Tag):
            return NotImplemented
        return (self.name, self.version or "") < (other.name, other.version or "")


def is_part(text: str) -> bool:
    """Tell whether `text` may be a name, version or alias; `latest` may be neither name nor version of a model."""
    return len(text) <= MAX_LENGTH and _PART.fullmatch(text) is not None and text.split(".")[0] not in _DEVICES


def check_part(text: object, what: str) -> str:
    """Return `text` if it may be a name, version or alias.

    Args:
        text: the value to check.
        what: what it is, for the error: "model name", "version", "alias".

    Raises:
        InvalidTagError: it is not a string, or breaks a rule, which the message names.
    """
    if not isinstance(text, str):
        raise InvalidTagError(f"A {what} must be a string, not {type(text).__name__}", value=text)
    if is_part(text):
        return text
    shown = text if len(text) <= 80 else text[:77] + "…"
    if not text:
        why = "It is empty"
    elif len(text) > MAX_LENGTH:
        why = f"It has {len(text)} characters; {MAX_LENGTH} are allowed"
    elif _PART.fullmatch(text):
        why = f"{text.split('.')[0]!r} is the name of a device on Windows"
    else:
        why = "Allowed are a-z, 0-9, '.', '_' and '-', and a letter or digit first and last"
    fix = ""
    suggestion = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:MAX_LENGTH].strip("._-")
    if suggestion and suggestion != text and is_part(suggestion):
        fix = f"For example: {suggestion!r}"
    raise InvalidTagError(f"{shown!r} cannot be a {what}", why=why, fix=fix, value=text)


_last_time = 0
_lock = Lock()


def new_version() -> tuple[str, int]:
    """Return a new version and its creation time.

    A version is 60 bits of time and 40 random bits in base32, 20 characters: versions sort by time, within a process
    strictly.

    Returns:
        The version, and the time that it holds in microseconds since 1970 (UTC).
    """
    global _last_time
    with _lock:
        # Two versions within one microsecond, or after the clock was set back, still come in order.
        _last_time = max(_last_time + 1, time.time_ns() // 1000)
        now = _last_time
    number = ((now & ((1 << 60) - 1)) << 40) | int.from_bytes(os.urandom(5), "big")
    return "".join(_DIGITS[(number >> shift) & 31] for shift in range(95, -1, -5)), now


def time_of(version: str) -> int | None:
    """Return the time that a made version holds, in microseconds since 1970 (UTC); `None` where it was not made so."""
    if len(version) != 20 or not set(version) <= set(_DIGITS):
        return None
    number = 0
    for digit in version:
        number = number << 5 | _DIGITS.index(digit)
    return number >> 40


if hasattr(os, "register_at_fork"):  # a lock that was held while another thread forked stays held in the child

    def _renew_lock() -> None:
        global _lock
        _lock = Lock()

    os.register_at_fork(after_in_child=_renew_lock)

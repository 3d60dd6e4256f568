"""What an origin record says of trust."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

LOCAL = ("saved here", "accepted here")
"""Origins of contents that were made here."""

Origin = Mapping[str, Any]


def is_local(origin: Origin | None) -> bool:
    """Tell whether a content was made here, and so is trusted as its maker is."""
    return origin is not None and origin.get("how") in LOCAL


def is_trusted(origin: Origin | None, policy: str) -> bool:
    """Tell whether trust was given to a content by hand, and counts under a policy."""
    given = origin.get("trusted") if origin is not None else None
    return isinstance(given, Mapping) and policy in ("ask", "always")


def signer() -> str:
    """Return who gives trust, or changes something: the user that runs this program, as `getpass.getuser` tells it."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if name := os.environ.get(variable):
            return name
    return _user(os.getuid())


@functools.cache
def _user(number: int) -> str:
    """Return a user's name. It is asked for at each change, and the list of users is read anew each time."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container without a user list
        return f"user {number}"

"""What an origin record says of trust."""

from __future__ import annotations

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
    """Return who gives trust: the user that runs this program."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user list
        return f"user {os.getuid()}"

"""What a registry answers, told as Tiffin's errors; what it says itself is shown only in part, and printable."""

from __future__ import annotations

import json
from typing import NamedTuple

from tiffin.exceptions import RemoteDeniedError, RemoteUnreachableError, TransferError

MAX_SHOWN = 300
"""Characters of a registry's own words that are shown."""
BUSY = (429, 500, 502, 503, 504)
"""Statuses after which the same may go well later."""


class Refusal(NamedTuple):
    """An answer that is no success: its status, and what the registry says about it."""

    status: int
    codes: tuple[str, ...]
    words: str


def read_refusal(status: int, body: bytes) -> Refusal:
    """Return what an error's body says; it may be anything."""
    codes: list[str] = []
    words: list[str] = []
    try:
        data = json.loads(body)
        for error in data["errors"]:
            codes.append(str(error.get("code", "")))
            words.append(": ".join(str(part) for part in (error.get("code"), error.get("message")) if part))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = body.decode("utf-8", errors="replace").strip()
        # A page for people, which a proxy in between may send, helps nobody in an error.
        words = [] if text.startswith("<") else [text]
    return Refusal(status, tuple(codes), clip("; ".join(words)))


def clip(text: str, length: int = MAX_SHOWN) -> str:
    """Return a text that came from elsewhere as one printable line of bounded length."""
    plain = "".join(character if character.isprintable() else " " for character in text[: 4 * length])
    plain = " ".join(plain.split())
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def refusal_error(refusal: Refusal, what: str, url: str, *, user: str = "", tries: int = 1) -> TransferError:
    """Return the error for an answer.

    Args:
        refusal: the answer.
        what: what was asked, as "push to library/iris".
        url: the remote's URL, without secrets.
        user: whose credentials were sent, or empty.
        tries: how often it was asked.
    """
    status = refusal.status
    said = f"It says: {refusal.words}" if refusal.words else ""
    often = f", after {tries} tries" if tries > 1 else ""
    kind: type[TransferError] = TransferError
    if status == 401:
        kind, how = (
            RemoteDeniedError,
            "wants credentials" if not user else f"does not accept the credentials of {user!r}",
        )
        fix = "Log in with docker or podman, or give user and password as options of the remote"
    elif status == 403:
        kind, how = RemoteDeniedError, "does not allow this" + (f" to {user!r}" if user else " without credentials")
        fix = "Ask whoever runs the registry for the right, or log in as somebody who has it"
    elif status == 404:
        how, fix = (
            "does not have it",
            "Look at the name and the namespace; some registries want a repository made first",
        )
    elif status == 413:
        how = "takes no body of this size"
        fix = "Let whoever runs the registry, or a proxy before it, allow larger bodies, or set the option chunk_size"
    elif status == 429:
        kind, how = RemoteUnreachableError, f"has had too many requests{often}"
        fix = "Try again later; registered users may often ask more"
    elif status >= 500:
        kind, how = RemoteUnreachableError, f"is in trouble{often}"
        fix = "Try again later; whoever runs it can look into its log"
    else:
        how, fix = "refused", ""
    return kind(
        f"The registry of {url} {how}: status {status} ({what})", why=said, fix=fix, url=url
    )  # fmt: skip


def unreachable(what: str, error: BaseException, url: str, *, tries: int = 1) -> RemoteUnreachableError:
    """Return the error for a connection that cannot be made, or broke."""
    import ssl

    often = f" in {tries} tries" if tries > 1 else ""
    fix = "Look at the host's name and the network, and try again"
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "If the registry has a certificate of your own authority, name its file in the option ca_file"
    elif isinstance(error, ssl.SSLError):
        fix = "If the registry speaks without TLS, write oci+http:// instead of oci://"
    return RemoteUnreachableError(
        f"The registry of {url} cannot be reached{often}: {clip(_reason(error))} ({what})", fix=fix, url=url
    )


def _reason(error: BaseException) -> str:
    return str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error) or type(error).__name__

"""The options that a registry's remote takes, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tiffin.exceptions import ConfigError

THREADS = 4


class Options(NamedTuple):
    """How to speak to a registry.

    Attributes:
        user: who asks; empty for what docker's and podman's configuration have.
        password: their password or token.
        identity_token: an OAuth 2 refresh token, instead of user and password.
        ca_file: a file of certificates that are trusted besides the system's.
        plain_http: whether to speak without TLS; `None`: with this machine, and for oci+http://.
        timeout: seconds without an answer after which a connection counts as broken.
        retries: how often a request is tried again.
        threads: how many blobs travel at once.
        chunk_size: bytes of each part of an upload; 0 sends each blob in one.
        mount_from: other repositories, with a comma between them, that may have contents already.
    """

    user: str = ""
    password: str = ""
    identity_token: str = ""
    ca_file: str = ""
    plain_http: bool | None = None
    timeout: float = 60.0
    retries: int = 4
    threads: int = THREADS
    chunk_size: int = 0
    mount_from: str = ""

    def __repr__(self) -> str:
        return "Options(…)"  # it holds secrets


_LIMITS: dict[str, tuple[float, float]] = {
    "timeout": (1, 86400),
    "retries": (0, 100),
    "threads": (1, 64),
    "chunk_size": (0, 1 << 40),
}


def read_options(given: Mapping[str, Any], url: str) -> Options:
    """Return options, checked.

    Args:
        given: as the user gave them.
        url: the remote's URL without secrets, for errors.

    Raises:
        ConfigError: one is unknown, or not as it has to be.
    """
    known = Options._field_defaults
    for key, value in given.items():
        if key not in known:
            raise ConfigError(f"The remote {url} has no option {key!r}", why=f"It has {', '.join(known)}", path=url)
        kinds: Any = (str,)
        if key in _LIMITS:
            kinds = (int, float) if key == "timeout" else (int,)
        elif key == "plain_http":
            kinds = (bool,)
        low, high = _LIMITS.get(key, (0, 0))
        valid = isinstance(value, kinds)
        if key in _LIMITS:
            valid = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
        if not valid:
            # Never the value: it may be a secret.
            wanted = (
                f"a number from {low} to {high}" if key in _LIMITS else "true or false" if bool in kinds else "a text"
            )
            raise ConfigError(f"The option {key!r} of the remote {url} is not valid: it has to be {wanted}", path=url)
    options = Options(**given)
    if bool(options.password) != bool(options.user) or (options.user and options.identity_token):
        raise ConfigError(
            f"The options of the remote {url} do not say who asks",
            fix="Give user and password, or identity_token alone",
            path=url,
        )
    return options

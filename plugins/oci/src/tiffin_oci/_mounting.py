"""Linking contents that another repository of the same registry has, instead of sending them again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from tiffin.exceptions import RemoteDeniedError, TransferError
from tiffin_oci._blobs import exists, mount
from tiffin_oci._client import Client

WORTH = 64 << 10
"""Bytes from which on a blob is looked for elsewhere: to send less is quicker than to ask."""
MAX_ASKED = 4
"""Repositories that are asked for each blob."""


class Sources:
    """The repositories that a client knows of: those that it was told, and those that it has met.

    Args:
        client: the registry.
        told: repositories, the most likely first.
    """

    def __init__(self, client: Client, told: Sequence[str]) -> None:
        self._client = client
        self._known = dict.fromkeys(told)
        self._lock = threading.Lock()

    def note(self, repositories: Iterable[str]) -> None:
        """Remember repositories."""
        with self._lock:
            self._known.update(dict.fromkeys(repositories))

    def mount(self, repository: str, digest: str, size: int) -> bool:
        """Link a blob from a repository that has it, and tell whether it is there now."""
        if size < WORTH:
            return False
        with self._lock:
            asked = [name for name in self._known if name != repository][:MAX_ASKED]
        for source in asked:
            try:
                if exists(self._client, source, digest, push=False):
                    if mount(self._client, repository, digest, source):
                        self._prefer(source)
                        return True
                    return False  # this registry links nothing
            except RemoteDeniedError:
                self._forget(source)
            except TransferError as error:
                if isinstance(error, ConnectionError):
                    raise
        return False

    def _prefer(self, source: str) -> None:
        with self._lock:
            self._known = {source: None, **self._known}

    def _forget(self, source: str) -> None:
        with self._lock:
            self._known.pop(source, None)

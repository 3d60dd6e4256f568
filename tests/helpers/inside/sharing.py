"""What is taken from inside `tiffin.sharing`."""

from __future__ import annotations

from tiffin.sharing import _client, _connection, _listen, _session, _socket_paths
from tiffin.sharing._attach import AttachedService

__all__ = [
    "AttachedService",
    "_client",
    "_connection",
    "_listen",
    "_session",
    "_socket_paths",
]

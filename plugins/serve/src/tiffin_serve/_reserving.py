"""The address that is served, held by a socket before anything listens."""

from __future__ import annotations

import socket

from tiffin_serve._errors import ServeError


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket that holds an address, without listening. All processes that serve take their connections from it.

    Args:
        host: a name or an address.
        port: 0 for one that is free.

    Raises:
        ServeError: the address is in use, or is not this machine's.
    """
    held = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        held = socket.socket(found[0], socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(found[4])
    except OSError as error:
        if held is not None:
            held.close()
        raise ServeError(
            f"Cannot serve on {host} port {port}: {error.strerror or error}",
            fix="Choose another with --host and --port; port 0 takes one that is free",
        ) from error
    return held

"""The life of the serving process: load, serve, and on a signal answer what has come in, and end."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable

from tiffin_serve._application import Application
from tiffin_serve._doors import Door, GranianDoor, Tls, UvicornDoor
from tiffin_serve._running import Offer

DOORS: dict[str, Callable[[Application, socket.socket, Tls], Door]] = {"granian": GranianDoor, "uvicorn": UvicornDoor}
"""The servers by their names."""


async def serve(
    application: Application,
    offer: Offer,
    held: socket.socket,
    *,
    server: str = "granian",
    tls: Tls = None,
    grace: float = 0.0,
    drain: float = 30.0,
    opened: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT comes; a second one ends it at once.

    Args:
        application: answers requests.
        offer: what it serves; started and stopped here.
        held: holds the address.
        server: "granian" or "uvicorn".
        tls: the files of a certificate and its key; `None` for plain HTTP.
        grace: seconds between the signal and the end of new connections, in which /readyz says no.
        drain: seconds that open requests have after that.
        opened: called when connections are taken.

    Raises:
        TiffinError: a model cannot be loaded, or the server not be started.
        Exception: what loading raised.
    """
    door = DOORS[server](application, held, tls)
    # Until all is loaded a signal ends the process as it ends any other: nobody waits for an answer yet.
    signals: asyncio.Queue[int] = asyncio.Queue()
    again: asyncio.Task[int] | None = None
    try:
        await offer.start()
        # What was loaded stays: the collector need not look at it again with each request's garbage.
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signals.put_nowait, number)
        await door.open()
        opened()
        await signals.get()
        offer.draining = True
        again = loop.create_task(signals.get())
        await asyncio.wait([again], timeout=grace)
        closing = loop.create_task(door.close())
        await asyncio.wait([again, closing], timeout=drain, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
    finally:
        hurry = again is not None and again.done()
        await offer.stop(0.0 if hurry else drain)
        if again is not None:
            again.cancel()

"""The bare server: granian, a model, a batcher of 40 lines, and an endpoint that returns what it gets.

Usage: python -m serving_sections.bare PORT MODEL …; each MODEL is a pickle's path without its suffix.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import batching
import numpy
import orjson
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

JSON = [("content-type", "application/json")]


async def main() -> None:
    """Serve until SIGTERM."""
    port, *paths = sys.argv[1:]
    batchers = {}
    for path in map(Path, paths):
        model = pickle.loads(path.with_suffix(".pickle").read_bytes())
        batchers[f"/{path.name}"] = batching.FortyLines(model.predict, batching.MAX_BATCH_SIZE)

    async def application(scope: Any, protocol: Any) -> None:
        body = await protocol()
        if scope.path == "/echo":
            protocol.response_bytes(200, JSON, body)
            return
        asked = orjson.loads(body)
        result = await batchers[scope.path](numpy.array(asked["inputs"]))
        protocol.response_bytes(200, JSON, orjson.dumps({"outputs": result}, option=orjson.OPT_SERIALIZE_NUMPY))

    server = Server(
        application, port=int(port), interface=Interfaces.RSGI, websockets=False, backlog=1024, log_enabled=False
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

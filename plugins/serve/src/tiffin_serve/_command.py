"""`tiffin serve`: stored models behind HTTP."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

import tiffin
from tiffin import Tag
from tiffin.cli import complete_tag, say
from tiffin_serve._calling import PREFIX
from tiffin_serve._doors import reserve
from tiffin_serve._making import make_application
from tiffin_serve._process import DOORS, serve
from tiffin_serve._requests import MIB, Limits
from tiffin_serve._served import Served, Shelf

_COUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)


@click.command("serve")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...", shell_complete=complete_tag)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=3000, show_default=True, type=click.IntRange(0, 65535), help="0 takes one that is free."
)
@click.option(
    "--backend",
    default="local",
    show_default=True,
    help="Where models run: local, in this process, or process, in their own.",
)
@click.option("--workers", default=1, show_default=True, type=_COUNT, help="Copies of each model.")
@click.option("--max-batch-size", type=_COUNT, help="Rows of merged calls at most.")
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="Refuse calls that cannot be answered in this time.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds in which a model has to answer.")
@click.option("--max-body", default=64, show_default=True, type=_COUNT, help="MiB of a request's body at most.")
@click.option("--oip-root", default="/v2", show_default=True, help="Where the Open Inference Protocol is.")
@click.option(
    "--server", default="granian", show_default=True, type=click.Choice(sorted(DOORS)), help="The HTTP server."
)
@click.option(
    "--grace",
    default=0.0,
    show_default=True,
    type=_SECONDS,
    help="Seconds after SIGTERM in which connections are still taken.",
)
@click.option(
    "--drain", default=30.0, show_default=True, type=_SECONDS, help="Seconds that open requests have after that."
)
def serve_command(
    tags: tuple[str, ...],
    host: str,
    port: int,
    backend: str,
    workers: int,
    max_batch_size: int | None,
    max_latency_ms: float | None,
    timeout: float | None,
    max_body: int,
    oip_root: str,
    server: str,
    grace: float,
    drain: float,
) -> None:
    """Serve stored models over HTTP, in plain JSON and by the Open Inference Protocol.

    Each TAG is a model, such as iris:prod. What a tag means is looked up once, at the start. SIGTERM and Ctrl-C end the
    server: every request whose head was read gets its answer.
    """
    options: dict[str, Any] = {"backend": backend, "workers": workers, "max_latency_ms": max_latency_ms}
    if max_batch_size is not None:
        options["max_batch_size"] = max_batch_size
    held = reserve(host, port)
    with held:
        shelf = Shelf([Served(tiffin.get(tag), Tag.parse(tag), timeout, options) for tag in tags])
        application = make_application(shelf, Limits(body=max_body * MIB), oip_root=oip_root)
        running = serve(
            application,
            shelf,
            held,
            server=server,
            grace=grace,
            drain=drain,
            opened=lambda: _announce(shelf, host, held.getsockname()[1]),
        )
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(running)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's, where that is to be had."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _announce(shelf: Shelf, host: str, port: int) -> None:
    """Say what is served where."""
    shown = f"[{host}]" if ":" in host else host
    say(f"Serving on http://{shown}:{port}")
    for one in shelf.served:
        say(f"  {one.tag}")
        for method in one.methods.values():
            say(f"    POST {PREFIX}{shelf.called(one)[0]}/{method.name}   takes {method.taker.words}")
    say("  See also /models, /docs, /readyz, /metrics")
    sys.stdout.flush()

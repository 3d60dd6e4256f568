"""`tiffin serve`: stored models, or a service, behind HTTP."""

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
from tiffin_serve._finding import find_service
from tiffin_serve._gate import Gate, gate_options
from tiffin_serve._making import make_application
from tiffin_serve._process import DOORS, serve
from tiffin_serve._requests import MIB, Limits
from tiffin_serve._running import Offer
from tiffin_serve._served import Served, Shelf

_COUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)


@click.command("serve")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_tag)
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
@gate_options
@click.pass_context
def serve_command(
    context: click.Context,
    targets: tuple[str, ...],
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
    gate: Gate,
) -> None:
    """Serve stored models, or a service of your own, over HTTP.

    Each TARGET is a stored model, such as iris:prod; it is served in plain JSON and by the Open Inference Protocol. What a
    tag means is looked up once, at the start. Or there is one TARGET that is a service: app:svc is the variable svc of
    app.py in this folder, and ./app.py:svc is the same.

    SIGTERM and Ctrl-C end the server: every request whose head was read gets its answer.
    """
    options: dict[str, Any] = {"backend": backend, "workers": workers, "max_latency_ms": max_latency_ms}
    if max_batch_size is not None:
        options["max_batch_size"] = max_batch_size
    limits = Limits(body=max_body * MIB)
    tls = gate.tls
    with reserve(host, port) as held:
        services = [service for service in map(find_service, targets) if service is not None]
        offer: Offer
        if services:
            _refuse_beside_a_service(context, targets)
            offer, application = services[0], services[0].application(limits)
            lines = [f"  {services[0].name}", *(f"    POST {route}" for route in services[0].apis)]
            lines.append("  See also /docs, /readyz, /metrics")
        else:
            offer = Shelf([Served(tiffin.get(tag), Tag.parse(tag), timeout, options) for tag in targets])
            application = make_application(offer, limits, oip_root=oip_root)
            lines = _lines(offer)

        gate.close_in(application)

        def announce() -> None:
            shown = f"[{host}]" if ":" in host else host
            for line in (f"Serving on http{'s' if tls else ''}://{shown}:{held.getsockname()[1]}", *lines):
                say(line)
            sys.stdout.flush()

        running = serve(application, offer, held, server=server, tls=tls, grace=grace, drain=drain, opened=announce)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(running)


_OF_MODELS = ("backend", "workers", "max_batch_size", "max_latency_ms", "timeout", "oip_root")
"""Options that a service says for itself."""


def _refuse_beside_a_service(context: click.Context, targets: tuple[str, ...]) -> None:
    if len(targets) > 1:
        raise click.UsageError("A service is served alone: give it the runners of further models", context)
    for name in _OF_MODELS:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for models: a service says that of its runners itself", context)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's, where that is to be had."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _lines(shelf: Shelf) -> list[str]:
    """Return what is served where."""
    lines = []
    for one in shelf.served:
        lines.append(f"  {one.tag}")
        path = f"{PREFIX}{shelf.called(one)[0]}"
        lines += [f"    POST {path}/{method.name}   takes {method.taker.words}" for method in one.methods.values()]
    return [*lines, "  See also /models, /docs, /readyz, /metrics"]

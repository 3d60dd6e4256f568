"""`tiffin serve`: stored models, or a service, behind HTTP; and what is asked of a server that runs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from tiffin.cli import complete_tag, say
from tiffin_serve._admin import administered, ask_server, sockets_of, sweep
from tiffin_serve._gate import Gate, gate_options
from tiffin_serve._plan import Plan
from tiffin_serve._requests import MIB
from tiffin_serve._reserving import reserve
from tiffin_serve._supervisor import Supervisor
from tiffin_serve._targets import is_service

_COUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)
_MORE = click.FloatRange(min=0, min_open=True)
HOST = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
SERVERS = ("granian", "uvicorn")


class Serve(click.Command):
    """The command, whose first argument may be another one for a server that runs."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:
        """Return the context of this command, or of the one that is named."""
        if args and args[0] in ASKING:
            return ASKING[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("serve", cls=Serve)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_tag)
@HOST
@click.option(
    "--port", default=3000, show_default=True, type=click.IntRange(0, 65535), help="0 takes one that is free."
)
@click.option(
    "--workers", default=1, show_default=True, type=_COUNT, help="Processes that read requests, on one address."
)
@click.option(
    "--hosts/--no-hosts",
    default=None,
    help="Whether each model has a process to which these attach; by default if they are several.",
)
@click.option(
    "--backend",
    default="local",
    show_default=True,
    help="Where models run: local, in the process that has the model, process, in further ones, or auto.",
)
@click.option("--copies", default=1, show_default=True, type=_COUNT, help="Copies of each model.")
@click.option("--min-copies", type=_COUNT, help="Begin with so many, and have more, up to --copies, while calls wait.")
@click.option(
    "--spares", default=0, show_default=True, type=click.IntRange(min=0, max=1), help="Copies that wait for one to die."
)
@click.option("--max-batch-size", type=_COUNT, help="Rows of merged calls at most.")
@click.option("--max-latency-ms", type=_MORE, help="Refuse calls that cannot be answered in this time.")
@click.option("--timeout", type=_MORE, help="Seconds in which a model has to answer.")
@click.option("--max-body", default=64, show_default=True, type=_COUNT, help="MiB of a request's body at most.")
@click.option(
    "--head-timeout", default=10.0, show_default=True, type=_MORE, help="Seconds that a head may take to come."
)
@click.option(
    "--body-timeout", default=30.0, show_default=True, type=_MORE, help="Seconds that a body may take to come."
)
@click.option(
    "--max-connections", default=4096, show_default=True, type=_COUNT, help="Connections at a time in each process."
)
@click.option("--oip-root", default="/v2", show_default=True, help="Where the Open Inference Protocol is.")
@click.option("--openai", is_flag=True, help="Answer clients of OpenAI, too, at /v1: chat, completions, embeddings.")
@click.option(
    "--grpc-port",
    type=click.IntRange(1, 65535),
    help="Have the Open Inference Protocol by gRPC, too, on this port; models have hosts then.",
)
@click.option("--server", default="granian", show_default=True, type=click.Choice(SERVERS), help="The HTTP server.")
@click.option("--check/--no-check", default=True, help="Whether a model's examples are replayed before it is served.")
@click.option("--shadow", "shadows", multiple=True, metavar="TAG", help="Try TAG: it gets copies of calls of its name.")
@click.option(
    "--canary",
    "canaries",
    multiple=True,
    metavar="TAG=N%",
    help="Try TAG: it answers N percent of the calls of its name.",
)
@click.option("--follow", default=1.0, show_default=True, type=_MORE, help="Seconds between two looks at aliases.")
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
@click.option("--reload", is_flag=True, help="Start a service anew when a file of it changes.")
@click.option(
    "--containerfile",
    is_flag=True,
    help="Serve nothing: print a Containerfile whose image serves these models, by their versions and those of their record.",
)
@gate_options
@click.pass_context
def serve_command(
    context: click.Context, /, targets: tuple[str, ...], host: str, port: int, gate: Gate, **given: Any
) -> None:
    """Serve stored models, or a service of your own, over HTTP.

    Each TARGET is a stored model, such as iris:prod; it is served in plain JSON and by the Open Inference Protocol. Where an
    alias moves, the server follows. Or there is one TARGET that is a service: app:svc is the variable svc of app.py in this
    folder, and ./app.py:svc is the same.

    SIGTERM and Ctrl-C end the server: every request whose head was read gets its answer.

    Of a server that runs, 'tiffin serve status' says what it serves, 'tiffin serve rollout' moves it to another version, and
    'tiffin serve stop' ends it; each has --help.
    """
    service = bool(list(filter(is_service, targets)))
    if given["containerfile"]:
        _print_containerfile(context, targets, service, port, given)
        return
    if service:
        _refuse_beside_a_service(context, targets)
    elif given["reload"]:
        raise click.UsageError("--reload is for services: models are followed by their aliases", context)
    scheme = "http" if gate.tls is None else "https"
    gate.check()
    with reserve(host, port) as held:
        address, port = held.getsockname()[:2]
        sockets = sockets_of(address, port)
        sweep(sockets)

        def opened(lines: list[str]) -> None:
            shown = f"[{host}]" if ":" in host else host
            with contextlib.suppress(OSError):
                for line in (f"Serving on {scheme}://{shown}:{port}", *lines):
                    say(line)
                sys.stdout.flush()

        def log(line: str) -> None:
            # The disk that the log is on may be full, or whoever read it may have gone: that is no reason not to serve.
            with contextlib.suppress(OSError):
                say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}", err=True)

        async def run() -> None:
            supervisor = Supervisor(_plan(targets, service, gate, given), held, sockets, opened=opened, log=log)
            async with administered(sockets, supervisor):
                await supervisor.run()

        asyncio.run(run())
        sweep(sockets)


def _plan(targets: tuple[str, ...], service: bool, gate: Gate, given: dict[str, Any]) -> Plan:
    options: dict[str, Any] = {"max_latency_ms": given["max_latency_ms"], "backend": given["backend"]}
    options["workers"] = given["copies"]
    for option, name in (("max_batch_size", "max_batch_size"), ("min_workers", "min_copies")):
        if given[name] is not None:
            options[option] = given[name]
    several = given["workers"] > 1 or given["grpc_port"] is not None
    hosts = not service and (several if given["hosts"] is None else given["hosts"])
    if given["spares"] and not hosts and given["backend"] != "local":
        options["spares"] = given["spares"]
    taken = ("server", "workers", "oip_root", "openai", "grpc_port", "check", "follow", "grace", "drain", "reload")
    return Plan(
        targets=targets,
        tried=[*((tag, 0.0) for tag in given["shadows"]), *map(_share, given["canaries"])],
        service=service,
        hosts=hosts,
        spares=given["spares"] if hosts else 0,
        options=options,
        seconds=given["timeout"],
        gate=asdict(gate),
        limits={
            "body": given["max_body"] * MIB,
            "head_seconds": given["head_timeout"],
            "body_seconds": given["body_timeout"],
            "connections": given["max_connections"],
        },
        **{name: given[name] for name in taken},
    )


def _share(text: str) -> tuple[str, float]:
    """Return the tag and the part in `iris:next=5%`."""
    tag, _, percent = text.partition("=")
    try:
        share = float(percent.removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(f"{text!r} is not like iris:next=5%, from above 0 to 100", param_hint="--canary")
    return tag, share


_EXTRAS = {"grpc_port": "grpc", "trace": "opentelemetry"}
"""Options that need an extra → which."""


def _print_containerfile(
    context: click.Context, targets: tuple[str, ...], service: bool, port: int, given: dict[str, Any]
) -> None:
    from tiffin_serve._containerfile import containerfile

    if service or given["reload"]:
        raise click.UsageError("--containerfile is for models: only you know what the file of a service needs", context)
    tried = [tag.partition("=")[0] for tag in (*given["shadows"], *given["canaries"])]
    said = ["--host", "0.0.0.0", "--port", str(port), *_said(context)]  # whom it lets in, the container says
    extras = [extra for name, extra in _EXTRAS.items() if context.params[name]]
    if given["server"] == "uvicorn":
        extras.append("uvicorn")
    ports = [one for one in (port, given["grpc_port"]) if one is not None]
    for line in containerfile(targets, tried, said, extras, ports):
        say(line)


def _said(context: click.Context) -> Iterator[str]:
    """Yield the options of the command line as they were given, without those that a container says for itself.

    Raises:
        click.UsageError: one names a file of this machine.
    """
    for option in context.command.params:
        told = context.get_parameter_source(str(option.name)) is click.core.ParameterSource.COMMANDLINE
        if not told or not isinstance(option, click.Option) or option.name in ("containerfile", "host", "port"):
            continue
        value = context.params[str(option.name)]
        if isinstance(option.type, click.Path):
            raise click.UsageError(
                f"{option.opts[0]} names a file of this machine: give it to the container, which adds it to its own",
                context,
            )
        if option.is_flag:
            yield option.opts[0] if value else option.secondary_opts[0]
            continue
        for one in value if option.multiple else [value]:
            yield from (option.opts[0], str(one))


_OF_MODELS = (
    *(
        "hosts",
        "backend",
        "copies",
        "min_copies",
        "spares",
        "max_batch_size",
        "max_latency_ms",
        "timeout",
        "oip_root",
        "openai",
        "grpc_port",
        "check",
        "follow",
    ),
)
"""Options that a service says for itself."""


def _refuse_beside_a_service(context: click.Context, targets: tuple[str, ...]) -> None:
    if len(targets) > 1:
        raise click.UsageError("A service is served alone: give it the runners of further models", context)
    for name in _OF_MODELS:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = {"shadows": "--shadow", "canaries": "--canary"}.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(f"{option} is for models: a service says that of its runners itself", context)


# Of a server that runs

_PORT = click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Its port.")


@click.command("status")
@HOST
@_PORT
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def _status(host: str, port: int, as_json: bool) -> None:
    """Show what the server at an address serves, and by which processes."""
    told = ask_server(host, port, "status")
    if as_json:
        import json

        say(json.dumps(told))
        return
    for target in told["targets"]:
        share = target.get("share")
        what = "serves" if not target.get("beside") else f"is canary ({share:.1%})," if share else "is shadow,"
        say(f"{target['asked']}  {what} {target['serves']}{', follows' if target.get('follows') else ''}")
        if trouble := target.get("trouble"):
            say(f"  does not move: {trouble}")
    for line in told["tried"]:
        say(f"  {line}")
    for child in told["processes"]:
        say(f"{child['title']}  {child['state']}, process {child['pid']}, for {child['seconds']:.0f} s")
    say(f"{told['restarts']} restarts{'; it is ending' if told['draining'] else ''}")


@click.command("stop")
@HOST
@_PORT
def _stop(host: str, port: int) -> None:
    """End the server at an address, as SIGTERM does, and wait until it has ended."""
    ask_server(host, port, "stop")
    say("Stopped")


@click.command("rollout")
@click.argument("target", shell_complete=complete_tag)
@click.option("--to", metavar="TAG", help="The version to serve; by default what TARGET means now.")
@HOST
@_PORT
def _rollout(target: str, to: str | None, host: str, port: int) -> None:
    """Have the server at an address serve another version in place of TARGET, a tag as it was given to it.

    The version is loaded and checked first, and no request is lost. If it cannot be served, the one before goes on. An alias
    is followed again once it moves.
    """
    told = ask_server(host, port, "rollout", asked=target, to=to)
    say(f"{told['asked']} serves {told['serves']}")


ASKING = {"status": _status, "stop": _stop, "rollout": _rollout}
"""Commands for a server that runs."""

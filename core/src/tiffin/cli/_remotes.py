"""`tiffin models push` and `pull`, and `tiffin remotes`: the places that models are shared through."""

from __future__ import annotations

import re
from typing import Any

import click

from tiffin import models as api
from tiffin.cli._commands import Commands
from tiffin.cli._completion import complete_remote, complete_tag
from tiffin.cli._output import output_option, read_labels, read_size, read_time, show_data, show_table
from tiffin.cli._progress_bar import progress_bar
from tiffin.cli._trust import hint

_HERE = "tiffin.cli._remotes:"


@click.command("push")
@click.argument("tag", shell_complete=complete_tag)
@click.argument("remote", required=False, metavar="[REMOTE|URL]", shell_complete=complete_remote)
@click.option("--aliases", is_flag=True, help="Set the version's aliases there, too.")
@click.option("-f", "--force", is_flag=True, help="Replace another model that has the version there.")
def push(tag: str, remote: str | None, aliases: bool, force: bool) -> None:
    """Send a version to a remote, where others can pull it. Only what is not there yet travels.

    Of a version that is there already, labels and metadata become those of this store.

    REMOTE is the name of a remote ('tiffin remotes list'), a URL (s3://, gs://, az://, sftp://, oci://, ...), or the path of
    a folder; without it, the default remote is meant.
    """
    with progress_bar() as progress:
        done = api.push(tag, remote, aliases=aliases, force=force, progress=progress)
    if done.updated:
        click.echo(f"{done.tag} was on {done.url} already; its labels and metadata there are those of this store now")
    elif not done.published:
        click.echo(f"{done.tag} was on {done.url} already")
    else:
        click.echo(f"Pushed {done.tag} to {done.url} ({read_size(done.sent)} of {read_size(done.total)} sent)")
    for alias in done.aliases:
        click.echo(f"{done.tag.name}:{alias} is {done.tag} there")


@click.command("pull")
@click.argument("tag", metavar="TAG|URL", shell_complete=complete_tag)
@click.argument("remote", required=False, metavar="[REMOTE|URL]", shell_complete=complete_remote)
@click.option("--as", "name", metavar="NAME[:VERSION]", help="Store it under another name or version.")
@click.option(
    "--aliases",
    is_flag=True,
    help="Set the aliases that it has there, too; those that mean another version here move only with --force.",
)
@click.option("-f", "--force", is_flag=True, help="Replace another model that has the version here.")
def pull(tag: str, remote: str | None, name: str | None, aliases: bool, force: bool) -> None:
    """Fetch a version from a remote and store it. Only what is not here yet travels.

    TAG is NAME (the newest there), NAME:VERSION, NAME:ALIAS, or NAME: and the beginning of a version; or all in one, as
    URL/NAME:VERSION. REMOTE is as for 'push'.
    """
    with progress_bar() as progress:
        model = api.pull(tag, remote, name=name, aliases=aliases, force=force, progress=progress)
    click.echo(f"Pulled {model.tag}")
    if aliases:
        for alias, version in api.aliases(model.name).items():
            if version == model.version:
                click.echo(f"{model.name}:{alias} is {model.tag}")
    hint(model)


@click.command(
    cls=Commands,
    commands_at={
        "add": _HERE + "add",
        "list": _HERE + "list_remotes",
        "models": _HERE + "remote_models",
        "remove": _HERE + "remove",
    },
)
def remotes() -> None:
    """Name places to share models through, and list what they have."""


@click.command("add")
@click.argument("name")
@click.argument("url", metavar="URL")
@click.option("-o", "--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the driver.")
@click.option("--default", is_flag=True, help="Make it the remote that is meant where none is named.")
@click.option("-f", "--force", is_flag=True, help="Replace a remote of the name.")
def add(name: str, url: str, options: tuple[str, ...], default: bool, force: bool) -> None:
    """Name a remote, in config.toml. If it is the only one, it is the default; of several, the one with --default.

    Repeat NAME and URL with --default to make another one the default.

    Credentials are better left to where the driver looks for them (environment variables, ~/.aws, a registry's login).
    """
    from tiffin.remotes import add_remote, default_remote

    remote = add_remote(name, url, _options(options), default=default, force=force)
    click.echo(f"Added {remote.name}: {_shown(remote.url)}")
    if default_remote() is None:
        click.echo("No remote is the default now. Name one at each push and pull, or add one with --default.", err=True)


@click.command("list")
@output_option("table", "json", "yaml")
def list_remotes(output: str) -> None:
    """List the remotes of config.toml."""
    from tiffin.remotes import default_remote, named_remotes

    found = named_remotes()
    default = default_remote()
    if output != "table":
        rows: Any = [
            {"name": r.name, "url": _shown(r.url), "options": sorted(r.options), "default": r.name == default}
            for r in found
        ]
        show_data(rows, output)
    elif not found:
        click.echo("No remotes. Add one with: tiffin remotes add NAME URL", err=True)
    else:
        show_table(
            ["NAME", "URL", "OPTIONS", "DEFAULT"],
            [[r.name, _shown(r.url), ", ".join(sorted(r.options)), "yes" if r.name == default else ""] for r in found],
        )


@click.command("remove")
@click.argument("name", shell_complete=complete_remote)
def remove(name: str) -> None:
    """Forget a remote's name; what is on the remote stays."""
    from tiffin.remotes import remove_remote

    remove_remote(name)
    click.echo(f"Removed {name}")


@click.command("models")
@click.argument("remote", required=False, metavar="[REMOTE|URL]", shell_complete=complete_remote)
@click.argument("tag", required=False, metavar="[NAME]")
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Only models with this label.")
@click.option("-f", "--framework", help="Only models of this framework.")
@output_option("table", "json", "yaml")
def remote_models(
    remote: str | None, tag: str | None, labels: tuple[str, ...], framework: str | None, output: str
) -> None:
    """List the models on a remote, by name, newest first. With NAME, only its versions."""
    wanted = {key: value if found else None for key, found, value in (label.partition("=") for label in labels)}
    found = api.list_remote(remote, tag, labels=wanted, framework=framework)
    if output != "table":
        show_data([info.to_dict() for info in found], output)
    elif not found:
        click.echo("No models fit." if tag or wanted or framework else "No models there.", err=True)
    else:
        show_table(
            ["TAG", "FRAMEWORK", "SIZE", "CREATED", "LABELS"],
            [
                [
                    f"{info.name}:{info.version}",
                    info.framework or "-",
                    read_size(info.size),
                    read_time(info.creation_time) if info.creation_time.year > 1970 else "-",
                    read_labels(info.labels),
                ]
                for info in found
            ],
            right=[2],
        )


def _options(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return options from KEY=VALUE; a value is read as TOML where it is a number or a truth value."""
    options: dict[str, Any] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found or not key:
            # Not which: what was meant as the value may be a secret.
            raise click.UsageError("An option is given as KEY=VALUE; one of these is not.")
        options[key] = int(value) if re.fullmatch("0|[1-9][0-9]{0,17}", value) else _VALUES.get(value, value)
    return options


_VALUES = {"true": True, "false": False}


def _shown(url: str) -> str:
    from tiffin.places import redact

    return redact(url)

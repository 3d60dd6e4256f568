"""`tiffin models`: the models in the store."""

from __future__ import annotations

from typing import Any

import click

from tiffin import models as api
from tiffin.cli._commands import Commands
from tiffin.cli._completion import complete_name, complete_tag
from tiffin.cli._output import count, output_option, read_labels, read_size, read_time, show_data, show_table
from tiffin.model import Model
from tiffin.tags import Tag

_HERE = "tiffin.cli._models:"
_CARE = "tiffin.cli._maintenance:"
_PAST = "tiffin.cli._past:"


@click.command(
    cls=Commands,
    commands_at={
        "alias": _HERE + "alias",
        "card": "tiffin.cli._comparing:card",
        "check": "tiffin.cli._predictions:check",
        "delete": _PAST + "delete",
        "diff": "tiffin.cli._comparing:diff",
        "du": _CARE + "du",
        "export": "tiffin.cli._export_import:export",
        "gc": _CARE + "gc",
        "get": _HERE + "get",
        "history": _PAST + "history",
        "import": "tiffin.cli._export_import:import_archive",
        "inspect": "tiffin.cli._trust:inspect",
        "label": _HERE + "label",
        "list": _HERE + "list_models",
        "pull": "tiffin.cli._remotes:pull",
        "push": "tiffin.cli._remotes:push",
        "trash": _PAST + "trash",
        "trust": "tiffin.cli._trust:trust",
        "undelete": _PAST + "undelete",
        "untrust": "tiffin.cli._trust:untrust",
        "verify": _CARE + "verify",
    },
)
def models() -> None:
    """List, label, move, inspect and delete the models in the store.

    The store lies below $TIFFIN_HOME (default ~/.tiffin). A TAG is NAME (the newest version), NAME:VERSION, NAME:ALIAS, or
    NAME: and the beginning of a version.
    """


@models.command("list")
@click.argument("name", required=False, shell_complete=complete_name)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY[=VALUE]", help="Only models with this label.")
@click.option("-f", "--framework", help="Only models of this framework.")
@click.option("--where", metavar="QUERY", help='As in: metadata.accuracy > 0.9 and labels.team == "ml".')
@click.option("--sort", multiple=True, metavar="[-]FIELD", help="Sort by a field; with a hyphen the largest first.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N models.")
@click.option("--columns", metavar="FIELD,…", help="Show these fields, too: metadata.accuracy,labels.team.")
@output_option("table", "json", "yaml")
def list_models(
    name: str | None, labels: tuple[str, ...], framework: str | None, columns: str | None, output: str, **chosen: Any
) -> None:
    """List the models in the store, by name, newest first.

    Fields of a QUERY are name, version, framework, size, created, labels.KEY and metadata.KEY. They are compared by ==, !=,
    <, <=, > and >= with numbers, "texts", true, false and null; a FIELD alone asks whether it is there. Comparisons are
    joined by and, or, not and parentheses.
    """
    wanted = {key: value if found else None for key, found, value in (label.partition("=") for label in labels)}
    order = {**chosen, "sort": chosen["sort"] or None}
    found = api.list(name, labels=wanted, framework=framework, **order)
    by_version = api.default_store().all_aliases()
    fields = _columns(columns)
    if output != "table":
        show_data([_summary(model, by_version, fields) for model in found], output)
        return
    if not found:
        filtered = name or wanted or framework or any(value not in (None, ()) for value in chosen.values())
        click.echo("No models fit." if filtered else f"No models in {api.default_store().path}.", err=True)
        return
    with_aliases = any((model.name, model.version) in by_version for model in found)
    more = [field.text for field in fields]
    headers = ["TAG", "FRAMEWORK", "SIZE", "CREATED", *(["ALIASES"] if with_aliases else []), *more, "LABELS"]
    rows = []
    for model in found:
        aliases = by_version.get((model.name, model.version), [])
        labels_text = read_labels(model.labels) + (" (record edited by hand or damaged)" if model.edited else "")
        rows.append(
            [
                f"{model.name}:{model.version}",
                model.framework or "-",
                read_size(model.size),
                read_time(model.creation_time),
                *([", ".join(aliases)] if with_aliases else []),
                *(_shown_value(field.of(model)) for field in fields),
                labels_text,
            ]
        )
    show_table(headers, rows, right=[2])


def _columns(text: str | None) -> list[Any]:
    if not text:
        return []
    from tiffin.info import Field

    return [Field(name.strip()) for name in text.split(",") if name.strip()]


def _shown_value(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else read_time(value) if hasattr(value, "hour") else str(value)


def _summary(model: Model, by_version: dict[tuple[str, str], list[str]], fields: list[Any]) -> dict[str, Any]:
    return {
        "tag": f"{model.name}:{model.version}",
        "name": model.name,
        "version": model.version,
        "framework": model.framework,
        "size": model.size,
        "creation_time": model.creation_time.isoformat(),
        "labels": model.labels,
        "aliases": by_version.get((model.name, model.version), []),
        "edited": model.edited,
        **({"columns": {field.text: _plain(field.of(model)) for field in fields}} if fields else {}),
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


@models.command("get")
@click.argument("tag", shell_complete=complete_tag)
@output_option("table", "json", "yaml", "path", off_terminal="yaml")
def get(tag: str, output: str) -> None:
    """Show one version's record, or its path."""
    model = api.get(tag)
    if output == "path":
        click.echo(model.path)
        return
    info = model.info
    aliases = [alias for alias, version in api.aliases(model.name).items() if version == model.version]
    if output != "table":
        show_data({**info.to_dict(), "aliases": aliases, "edited": info.edited, "path": str(model.path)}, output)
        return
    rows = [
        ["tag", str(model.tag)],
        ["aliases", ", ".join(aliases)],
        ["framework", info.framework or "- (a raw folder of files)"],
        ["created", read_time(info.creation_time)],
        ["size", f"{read_size(info.size)} in {count(len(info.files), 'file')}"],
        ["labels", read_labels(info.labels)],
        *([f"metadata.{key}", str(value)] for key, value in info.metadata.items()),
        *([f"signature {method}", _signature(value)] for method, value in info.signatures.items()),
        *([f"option {key}", str(value)] for key, value in info.options.items()),
        ["custom objects", ", ".join(info.custom_objects)],
        ["saved with", ", ".join(f"{name} {version}" for name, version in _versions(info).items() if version)],
        ["content", info.content_digest],
        ["path", str(model.path)],
        ["record", "edited by hand or damaged" if info.edited else ""],
    ]
    show_table(["FIELD", "VALUE"], [row for row in rows if row[1]])


def _signature(signature: Any) -> str:
    from tiffin.signatures import describe_spec

    text = "batchable" if signature.batchable else "not batchable"
    if signature.batchable and signature.batch_dim != (0, 0):
        text += f", batch_dim {signature.to_dict()['batch_dim']}"
    for name, spec in (("input", signature.input_spec), ("output", signature.output_spec)):
        if spec is not None:
            text += f", {name} {describe_spec(spec)}"
    return text


def _versions(info: Any) -> dict[str, str]:
    context = info.context
    return {**context.framework_versions, "tiffin": context.tiffin_version, "python": context.python_version}


@models.command("alias")
@click.argument("tag", shell_complete=complete_tag)
@click.argument("alias", required=False)
@click.option("--remove", is_flag=True, help="Remove the alias that TAG names, as NAME:ALIAS.")
@output_option("table", "json", "yaml")
def alias(tag: str, alias: str | None, remove: bool, output: str) -> None:
    """Let NAME:ALIAS mean the version that TAG means now. Without ALIAS, list the aliases of a name."""
    parsed = Tag.parse(tag)
    if remove:
        named = alias or parsed.version
        if named is None or (alias and parsed.version):
            raise click.UsageError("Name the alias to remove as NAME:ALIAS.")
        api.remove_alias(parsed.name, named)
        click.echo(f"Removed {parsed.name}:{named}")
    elif alias is not None:
        model = api.set_alias(tag, alias)
        click.echo(f"{model.name}:{alias} is {model.tag}")
    else:
        found = api.aliases(parsed.name)
        if output != "table":
            show_data(found, output)
        elif found:
            show_table(["ALIAS", "TAG"], [[name, f"{parsed.name}:{version}"] for name, version in found.items()])
        else:
            click.echo(f"{parsed.name} has no aliases.", err=True)


@models.command("label")
@click.argument("tag", shell_complete=complete_tag)
@click.argument("labels", nargs=-1, metavar="[KEY=VALUE | KEY-]…")
@output_option("table", "json", "yaml")
def label(tag: str, labels: tuple[str, ...], output: str) -> None:
    """Set labels of a version, remove them, and show them. KEY=VALUE sets one, KEY- removes one."""
    changes: dict[str, str | None] = {}
    for text in labels:
        key, found, value = text.partition("=")
        if found:
            changes[key] = value
        elif text.endswith("-"):
            changes[text[:-1]] = None
        else:
            raise click.UsageError(f"{text!r} is neither KEY=VALUE nor KEY-.")
    model = api.edit(tag, labels=changes) if changes else api.get(tag)
    if output != "table":
        show_data(model.labels, output)
    elif model.labels:
        show_table(["LABEL", "VALUE"], [[key, value] for key, value in model.labels.items()])
    else:
        click.echo(f"{model.tag} has no labels.", err=True)

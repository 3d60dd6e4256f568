"""`tiffin models diff` and `card`: what sets two versions apart, and what one is."""

from __future__ import annotations

from typing import IO, Any

import click

from tiffin import models as api
from tiffin.cli._completion import complete_tag
from tiffin.cli._output import output_option, read_size, read_time, say, show_data, show_table

_LONG = 60
"""Characters of a value that a table shows."""


@click.command("diff")
@click.argument("first", metavar="TAG", shell_complete=complete_tag)
@click.argument("second", metavar="TAG", shell_complete=complete_tag)
@output_option("table", "json", "yaml")
def diff(first: str, second: str, output: str) -> None:
    """Show in what two versions differ. Looks at labels, metadata, options, signatures, files and environment."""
    left, right = api.get(first), api.get(second)
    found = api.diff(left.tag, right.tag)
    if output != "table":
        show_data([_plain(difference.to_dict()) for difference in found], output)
    elif not found:
        click.echo(f"{left.tag} and {right.tag} differ in nothing but the tag.", err=True)
    else:
        rows = [
            [
                _name(one),
                _text(one, one.before),
                _text(one, one.after),
                "" if one.change is None else f"{one.change:+.6g}",
            ]
            for one in found
        ]
        changes = any(row[3] for row in rows)
        headers = ["FIELD", str(left.tag), str(right.tag), *(["CHANGE"] if changes else [])]
        show_table(headers, [row[: len(headers)] for row in rows], right=[3] if changes else [])


def _name(difference: Any) -> str:
    section = {"record": "", "environment": "", "labels": "labels.", "metadata": "metadata."}
    return f"{section.get(difference.section, difference.section.removesuffix('s') + ' ')}{difference.field}"


def _text(difference: Any, value: Any) -> str:
    if value is None:
        return "-"
    if difference.section == "files":
        return f"{read_size(value['size'])} ({value['sha256'][:12]}…)"
    if difference.section == "record" and difference.field == "size":
        return read_size(value)
    if hasattr(value, "hour"):
        return read_time(value)
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in data.items()}


@click.command("card")
@click.argument("tag", shell_complete=complete_tag)
@click.option(
    "--set", "source", type=click.File("r", encoding="utf-8"), metavar="FILE", help="Keep this text; - reads it."
)
def card(tag: str, source: IO[str] | None) -> None:
    """Show a version's card, in Markdown. It is a text, and below it metrics, signatures and record.

    A registry shows it as README.md once the version is pushed.
    """
    if source is not None:
        model = api.edit(tag, card=source.read())
        click.echo(f"Set the card of {model.tag}")
        return
    say(api.card(tag).rstrip(), set_in=False)

"""Output: tables for people, plain columns for pipes and long lists, JSON and YAML for programs."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

RICH_ROWS = 200
"""Rows up to which a terminal gets a drawn table: laying out thousands takes seconds."""


def printable(text: str) -> str:
    """Return a text as a terminal may get it: control characters, which it would obey, as escapes; lines stay lines.

    What a stranger wrote gets into tables and errors in many ways, so that all of them pass through here.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def output_option(*formats: str) -> Callable[[Any], Any]:
    """Return the option `-o`, with these formats; the first is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print; json and yaml are for programs.",
    )


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table: drawn on a terminal with up to 200 rows, else plain columns.

    Args:
        headers: the columns' names.
        rows: their texts.
        right: indexes of the columns to align right.
    """
    if not rows:
        return
    rows = [[printable(text) for text in row] for row in rows]
    if sys.stdout.isatty() and len(rows) <= RICH_ROWS:
        from tiffin.cli._drawing import draw

        draw(headers, rows, right)
        return
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    lines = []
    for row in (headers, *rows):
        cells = [
            text.rjust(width) if index in right else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    click.echo("\n".join(lines))


def show_data(data: Any, output: str) -> None:
    """Print plain data as JSON or YAML."""
    if output == "json":
        import json

        text = json.dumps(_standard(data), indent=2, ensure_ascii=False, default=lambda value: value.isoformat())
        click.echo(_UNUSUAL.sub(_escaped, text))
    else:
        import yaml

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110), nl=False)


_UNUSUAL = re.compile(r"[^\n -~]")


def _escaped(found: re.Match[str]) -> str:
    import json

    # JSON itself allows the control characters beyond ASCII, and those that turn the direction of writing.
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _standard(data: Any) -> Any:
    """Return data with `None` for the numbers that JSON does not have: NaN and the infinities."""
    if isinstance(data, dict):
        return {key: _standard(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_standard(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def read_size(size: int) -> str:
    """Return bytes as people read them: "512 B", "1.4 MiB"."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1023.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} PiB"


def read_time(time: Any) -> str:
    """Return a datetime as people read it: local time, to the second."""
    text: str = time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return text


def read_labels(labels: dict[str, str]) -> str:
    """Return labels as "key=value" pairs."""
    return ", ".join(f"{key}={value}" if value else key for key, value in labels.items())


def count(number: int, noun: str, plural: str = "") -> str:
    """Return "1 model", "2 models"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"

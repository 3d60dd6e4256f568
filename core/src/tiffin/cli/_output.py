"""Output: tables for people, plain columns for pipes and long lists, JSON and YAML for programs."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from tiffin.cli._drawing import draw, line_of
from tiffin.showing import close_names, is_plain_text, shown_cells, shown_lines


def say(text: str, *, err: bool = False, label: str = "", colour: str = "", set_in: bool = True) -> None:
    """Print a text that may hold a stranger's words, so that a terminal obeys none of them.

    Further lines are set in, where not all is a stranger's: none can be taken for a line of Tiffin's own.

    Args:
        text: one or more lines.
        err: whether it goes to standard error.
        label: what stands before it, in a colour.
        colour: the label's.
        set_in: whether further lines are set in.
    """
    before = click.style(label, fg=colour, bold=True) + " " if label else ""
    lines = shown_lines(text)
    click.echo(before + (lines.replace("\n", "\n    ") if set_in else lines), err=err)


class OneOf(click.Choice):  # type: ignore[type-arg]  # generic since click 8.2
    """One of several words; a word that is none of them, but looks like one, is answered with that."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word."""
        try:
            return str(super().convert(value, param, ctx))
        except click.BadParameter as error:
            close = close_names(str(value), self.choices, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.BadParameter(f"{error.message.rstrip('.')}.{hint}", ctx, param) from error


def output_option(*formats: str, off_terminal: str = "") -> Callable[[Any], Any]:
    """Return the option `-o`, with these formats.

    Args:
        formats: the formats; the first is the default.
        off_terminal: the default where standard output is no terminal, if that is another one.
    """

    def by_terminal() -> str:
        return formats[0] if sys.stdout.isatty() else off_terminal

    return click.option(
        "-o",
        "--output",
        type=OneOf(formats),
        default=by_terminal if off_terminal else formats[0],
        show_default=f"{formats[0]}, in a pipe {off_terminal}" if off_terminal else True,
        help="How to print; json and yaml are for programs.",
    )


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table: drawn in the width of a terminal, else plain columns.

    Args:
        headers: the columns' names.
        rows: their texts.
        right: indexes of the columns to align right.
    """
    if not rows:
        return
    rows = shown_cells(rows)
    if sys.stdout.isatty():
        draw(headers, rows, right)
        return
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    line = line_of(widths, right)
    click.echo("\n".join(line.format(*row).rstrip() for row in (headers, *rows)))


def show_data(data: Any, output: str) -> None:
    """Print plain data as JSON or YAML."""
    if output == "json":
        import json

        text = json.dumps(_standard(data), indent=2, ensure_ascii=False, default=lambda value: value.isoformat())
        click.echo(_UNUSUAL.sub(_escaped, text))
    else:
        click.echo(_yaml(data), nl=False)


_UNUSUAL = re.compile(r"[^\n -~]")


def _escaped(found: re.Match[str]) -> str:
    import json

    # JSON itself allows the control characters beyond ASCII, and those that turn the direction of writing.
    return found[0] if is_plain_text(found[0]) else json.dumps(found[0])[1:-1]


def _yaml(data: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts that do not show as they are in ASCII: YAML itself allows what has no width or turns direction."""

    def text(dumper: Any, value: str) -> Any:
        if all(is_plain_text(line) for line in value.split("\n")):
            return dumper.represent_str(value)
        return dumper.represent_scalar(_STRING, value, style='"')

    Dumper.add_representer(str, text)
    written = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return _UNUSUAL.sub(_yaml_escaped, written)


_STRING = "tag:yaml.org,2002:str"


def _yaml_escaped(found: re.Match[str]) -> str:
    # All such characters stand within double quotes, where YAML knows these escapes.
    code = ord(found[0])
    if is_plain_text(found[0]):
        return found[0]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


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


def read_time(moment: Any) -> str:
    """Return a datetime as people read it: local time, to the second; UTC where that has no local time."""
    try:
        parts = time.localtime(moment.timestamp())[:6]
    except (OverflowError, ValueError, OSError):  # at the ends of the calendar
        parts = moment.timetuple()[:6]
    return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*parts)


def read_labels(labels: dict[str, str]) -> str:
    """Return labels as "key=value" pairs."""
    return ", ".join(f"{key}={value}" if value else key for key, value in labels.items())


def count(number: int, noun: str, plural: str = "") -> str:
    """Return "1 model", "2 models"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"

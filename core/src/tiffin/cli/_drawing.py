"""Tables on a terminal: laid out so that what is typed again, the first column, is never cut.

A table that is too wide first wraps its long columns; then columns move from the right into lines of their own below the
row, with their names; at last a first cell that is too long gets a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import click

GAP = "  "
LONG = 20
"""Cells from which on a column may be wrapped, and the least that it is wrapped to."""
INDENT = "    "


class Plan(NamedTuple):
    """How a table is laid out: widths of the columns in the grid, and the indexes of those below the row."""

    widths: list[int]
    below: list[int]


def draw(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    """Print a table to the terminal, in its width."""
    import shutil

    room = shutil.get_terminal_size().columns
    widths, below = lay_out(headers, rows, right, room)
    grid, line = len(widths), line_of(widths, right)
    lines = [
        click.style(line.format(*headers[:grid]).rstrip(), bold=True),
        click.style("─" * min(room, sum(widths) + len(GAP) * (grid - 1)), dim=True),
    ]
    for row in rows:
        cells = list(row[:grid])
        if len(row[0]) > widths[0] and grid > 1:
            lines.append(row[0])
            cells[0] = ""
        # Of two columns the second may run over the edge: a path is copied whole. Between others it would push them aside.
        wrapped = (_wrap(cell, width, whole=grid == 2) for cell, width in zip(cells, widths, strict=True))
        lines += [line.format(*parts).rstrip() for parts in zip_longest(*wrapped, fillvalue="")]
        for index in below:
            if row[index]:
                name = f"{INDENT}{headers[index].lower()}: "
                first, *others = _wrap(row[index], room - len(name), whole=True)
                lines.append(click.style(name, dim=True) + first)
                lines += [" " * len(name) + other for other in others]
    click.echo("\n".join(lines))


def line_of(widths: Sequence[int], right: Sequence[int]) -> str:
    """Return what `format` makes a line of, given the cells of a row."""
    return GAP.join(f"{{:{'>' if index in right else '<'}{width}}}" for index, width in enumerate(widths))


def lay_out(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int], room: int) -> Plan:
    """Return how a table is laid out in `room` cells."""
    natural = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    firsts = sorted(len(row[0]) for row in rows)
    for kept in range(len(headers), 0, -1):
        others = range(1, kept)
        long = [index for index in others if natural[index] > LONG and index not in right]
        least = sum(LONG if index in long else natural[index] for index in others) + len(GAP) * (kept - 1)
        fitting = [length for length in firsts if length <= room - least]
        # A few long first cells get lines of their own; where most are too long, the columns must give way.
        if kept > 2 and (len(headers[0]) > room - least or 2 * len(fitting) < len(firsts)):
            continue
        first = max(len(headers[0]), fitting[-1] if fitting else 0)
        widths = [first, *natural[1:kept]]
        spare = room - least - first
        for index in long:
            given = min(natural[index] - LONG, max(0, spare))
            widths[index] = LONG + given
            spare -= given
        if kept == 2:
            widths[1] = max(1, min(widths[1], room - first - len(GAP)))  # even a short one gives way, word by word
        return Plan(widths, list(range(kept, len(headers))))
    raise AssertionError("a table has a column")


def _wrap(text: str, width: int, *, whole: bool) -> list[str]:
    if len(text) <= width:
        return [text]
    import textwrap

    return textwrap.wrap(text, max(width, 1), break_long_words=not whole, break_on_hyphens=False) or [""]

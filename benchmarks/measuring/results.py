"""Figures, each beside its limit or a peer's, and the table of them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UNITS = {"ms": 1e3, "s": 1.0, "µs": 1e6, "MiB": 1 / (1 << 20), "": 1.0, "x": 1.0}
"""Unit → by what a value in seconds or bytes is multiplied."""


@dataclass
class Figure:
    """One measured figure.

    Attributes:
        what: what was measured.
        samples: in seconds, bytes, or a plain number; the best is the least.
        unit: how to show it, one of `UNITS`.
        limit: in that unit; `None` where the figure is only reported.
        beside: what it is compared with, and that one's samples.
    """

    what: str
    samples: Sequence[float]
    unit: str = "ms"
    limit: float | None = None
    beside: tuple[str, Sequence[float]] | None = None

    @property
    def best(self) -> float:
        """The least sample, in the unit."""
        return min(self.samples) * UNITS[self.unit]

    @property
    def holds(self) -> bool:
        """Whether the best sample is within the limit."""
        return self.limit is None or self.best <= self.limit

    def cells(self) -> list[str]:
        """Return the row of the table."""
        scale = UNITS[self.unit]
        middle = statistics.median(self.samples) * scale if len(self.samples) > 1 else None
        limit = f"≤ {self.limit:g} {self.unit}" if self.limit is not None else ""
        share = f"{self.best / self.limit:.0%}" if self.limit else ""
        peer, times = "", ""
        if self.beside is not None:
            name, samples = self.beside
            peer = f"{name} {_number(min(samples) * scale)}"
            times = f"{min(samples) * scale / self.best:.1f} x" if self.best else ""
        verdict = "" if self.limit is None else ("ok" if self.holds else "MISSED")
        median = _number(middle) if middle is not None else ""
        return [self.what, limit, f"{_number(self.best)} {self.unit}", median, share, peer, times, verdict]


HEADERS = ["", "limit", "best", "median", "of limit", "beside it", "that / best", ""]


def show(title: str, figures: Iterable[Figure]) -> bool:
    """Print a table of figures; return whether all limits hold."""
    figures = list(figures)
    rows = [HEADERS, *(figure.cells() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip(), flush=True)
    return all(figure.holds for figure in figures)


def _number(value: float) -> str:
    if value == int(value) and value < 1e5:
        return str(int(value))
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"

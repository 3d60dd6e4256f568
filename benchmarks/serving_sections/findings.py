"""What was measured, beside what it should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Finding:
    """One figure.

    Attributes:
        what: what was measured.
        value: the figure.
        unit: what follows it.
        most: what it should be at most; `None` for no such limit.
        least: what it should be at least, likewise.
        note: what else there is to say.
    """

    what: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as it should be."""
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    def cells(self) -> list[str]:
        """Return the row of the table."""
        limits = [("≤", self.most), ("≥", self.least)]
        wanted = " ".join(f"{sign} {limit:g} {self.unit}".strip() for sign, limit in limits if limit is not None)
        return [
            self.what,
            f"{_number(self.value)} {self.unit}",
            wanted,
            "" if not wanted else "ok" if self.holds else "MISSED",
            self.note,
        ]

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def show(title: str, findings: Iterable[Finding]) -> bool:
    """Print a table of findings; return whether all are as they should be."""
    findings = list(findings)
    rows = [finding.cells() for finding in findings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for what, *rest, note in rows:
        cells = [
            what.ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=False)),
            note,
        ]
        print("  " + "  ".join(cells).rstrip(), flush=True)
    return all(finding.holds for finding in findings)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"

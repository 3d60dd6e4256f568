"""Progress, as people see it on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from tiffin.cli._output import read_size
from tiffin.cli._shared import is_quiet

_WORTH_A_BAR = {"bytes": 8 << 20, "rows": 100_000}
"""Unit → how many are worth a bar."""


@contextlib.contextmanager
def progress_bar(unit: str = "bytes") -> Iterator[Any]:
    """Draw a bar with amount, rate and time on a terminal's standard error; nothing elsewhere. Gives what to tell it by.

    Args:
        unit: what is counted: "bytes", which are told as sizes, or anything else, such as "rows".
    """
    if is_quiet() or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            speed = int(task.speed or 0)
            return Text(f"{read_size(speed) if unit == 'bytes' else f'{speed:,} {unit}'}/s")

    class Count(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{int(task.completed):,}" + (f" of {int(task.total):,}" if task.total else ""))

    amount = DownloadColumn(binary_units=True) if unit == "bytes" else Count()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, Rate(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    try:
        yield _Bar(bar, _WORTH_A_BAR.get(unit, _WORTH_A_BAR["rows"]))
    finally:
        bar.stop()


class _Bar:
    """Shows what is worth it: what is over at once would only flicker."""

    def __init__(self, bar: Any, least: int) -> None:
        self._bar = bar
        self._least = least
        self._task: Any = None
        self._what = ""
        self._unknown = 0

    def start(self, what: str, total: int | None) -> None:
        self._what, self._task, self._unknown = what, None, 0
        if total is not None and total >= self._least:
            self._show(total)

    def _show(self, total: int | None, done: int = 0) -> None:
        self._task = self._bar.add_task(self._what, total=total, completed=done)
        self._bar.start()

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._bar.advance(self._task, count)
            return
        # Of an archive whose record comes late nobody knows the size before it is unpacked.
        self._unknown += count
        if self._unknown >= self._least:
            self._show(None, self._unknown)

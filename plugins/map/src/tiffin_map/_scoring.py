"""Batches of rows through a runner; of one that fails, the rows that are to blame are found, and all others scored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import pyarrow as pa

from tiffin.exceptions import (
    ForkedRunnerError,
    QueueFullError,
    RunnerClosedError,
    RunnerNotReadyError,
    UnsendableError,
)
from tiffin_map._errors import MapError, TooManyBadRowsError
from tiffin_map._feeding import Feeder, as_columns, inputs_of, pick
from tiffin_map._reading import BadRow, Piece

_OF_NO_ROW = (MapError, ForkedRunnerError, QueueFullError, RunnerClosedError, RunnerNotReadyError, UnsendableError)
"""Errors that no row is to blame for."""


@attrs.frozen
class Batch:
    """Rows that are scored in one call.

    Attributes:
        stop: the number in the whole input after its last row.
        rows: a table or an array.
        numbers: int64 array: the number of each row in the whole input.
        files: the files that they are from, each with the number of its first row, in order.
        bad: rows that could not be read.
    """

    stop: int
    rows: Any
    numbers: Any
    files: Sequence[tuple[str, int]]
    bad: Sequence[BadRow]


def batches(pieces: Iterable[Piece], start: int, size: int) -> Iterator[Batch]:
    """Give the batches of some rows: each ends at a multiple of `size`, wherever the rows began.

    Args:
        pieces: rows that follow one another.
        start: the number of the first one.
        size: rows of a batch, those that cannot be read included.
    """
    held: list[tuple[Any, Any, str, int]] = []
    bad: list[BadRow] = []
    end = start - start % size + size
    for piece in pieces:
        rows, numbers = piece.rows, piece.numbers
        bad_left = list(piece.bad)
        while piece.first + piece.count >= end:
            inside = int(np.searchsorted(numbers, end))
            if inside:
                held.append((rows[:inside], numbers[:inside], piece.file, piece.start))
                rows, numbers = rows[inside:], numbers[inside:]
            bad += [one for one in bad_left if one.row < end]
            bad_left = [one for one in bad_left if one.row >= end]
            yield _batch(end, held, bad)
            held, bad, end = [], [], end + size
        if len(numbers):
            held.append((rows, numbers, piece.file, piece.start))
        bad += bad_left
    if held or bad:
        yield _batch(max([*(int(one[1][-1]) for one in held), *(one.row for one in bad)]) + 1, held, bad)


def _batch(stop: int, held: Sequence[tuple[Any, Any, str, int]], bad: Sequence[BadRow]) -> Batch:
    rows: Any = None
    if held:
        parts = [one[0] for one in held]
        join = np.concatenate if isinstance(parts[0], np.ndarray) else pa.concat_tables
        rows = parts[0] if len(parts) == 1 else join(parts)
    numbers = np.concatenate([one[1] for one in held]) if held else np.arange(0)
    files = list(dict.fromkeys((file, first) for _, _, file, first in held))
    return Batch(stop, rows, numbers, files, list(bad))


@attrs.frozen
class Scored:
    """What became of a batch.

    Attributes:
        stop: as the batch's.
        table: a row for each row that was scored: its number, what is passed through, the answers; `None` for none.
        bad: the other rows, in order.
    """

    stop: int
    table: pa.Table | None
    bad: Sequence[BadRow]


class Scorer:
    """Scores batches; called from several threads.

    Args:
        call: the method, of one argument; blocks until it has answered.
        feeder: makes the argument.
        keep: columns that are passed through.
        most: rows that may be bad in this run at most; `None` for any number.
        number: the name of the column with the rows' numbers; empty for none.
        apart: whether the method runs in another process, and so cannot change what it is given.
    """

    def __init__(
        self,
        call: Callable[[Any], Any],
        feeder: Feeder,
        keep: Sequence[str],
        most: int | None,
        number: str,
        *,
        apart: bool = False,
    ) -> None:
        self._apart = apart
        self._call = call
        self._feeder = feeder
        self._keep = list(keep)
        self._most = most
        self._number = number
        self._lock = threading.Lock()
        self._bad = 0

    def score(self, batch: Batch) -> Scored:
        """Score a batch.

        Raises:
            TooManyBadRowsError: more rows are bad than may be.
            RunnerError: the runner ended, or cannot take rows of this kind.
        """
        answers: list[tuple[Any, pa.Table]] = []
        bad = list(batch.bad)
        for one in bad:
            self._count(one)
        if len(batch.numbers):
            self._run(batch, np.arange(len(batch.numbers)), None, answers, bad)
        if not answers:
            return Scored(batch.stop, None, sorted(bad, key=lambda one: one.row))
        at = np.concatenate([one[0] for one in answers])
        answered = answers[0][1]
        if len(answers) > 1:
            order = np.argsort(at)
            answered = pa.concat_tables([one[1] for one in answers], promote_options="permissive").take(pa.array(order))
            at = at[order]
        return Scored(batch.stop, self._joined(batch, at, answered), sorted(bad, key=lambda one: one.row))

    def _joined(self, batch: Batch, at: Any, answered: pa.Table) -> pa.Table:
        columns: dict[str, Any] = {}
        if self._number:
            columns[self._number] = pa.array(batch.numbers[at])
        if self._keep:
            kept = pick(batch.rows, at) if len(at) < len(batch.numbers) else batch.rows
            columns |= {name: kept.column(name) for name in self._keep}
        twice = columns.keys() & set(answered.column_names)
        # An answer may be called like a column that is passed through: both are kept, apart.
        names = [f"predicted_{name}" if name in twice else name for name in answered.column_names]
        return pa.table({**columns, **dict(zip(names, answered.columns, strict=True))})

    def _run(self, batch: Batch, at: Any, given: Any, answers: list[Any], bad: list[BadRow]) -> None:
        """Score the rows at some indexes; `given` is the argument for them where it is made already."""
        whole = len(at) == len(batch.numbers)
        try:
            if given is None:
                given = self._feeder.feed(batch.rows if whole else pick(batch.rows, at))
            answered = as_columns(self._call(given), len(at))
        except _OF_NO_ROW:
            raise
        # A method may fail in any way, and so may what it answers; what is left of a row is told in words.
        except Exception as error:  # noqa: BLE001
            if len(at) == 1:
                bad.append(self._blame(batch, int(at[0]), error))
                return
            again = self._apart and isinstance(given, np.ndarray)
            for group in self._divide(batch.rows, len(at), whole=whole):
                self._run(batch, at[group], given[group] if again else None, answers, bad)
            return
        answers.append((at, answered))

    def _divide(self, rows: Any, count: int, *, whole: bool) -> list[Any]:
        """Return groups of rows that failed: of a whole batch the ordinary rows, and each odd one alone; else two halves.

        Small calls cost much more for a row than large ones, and which rows are to blame can often be seen.
        """
        index = np.arange(count)
        odd = self._feeder.odd(rows) if whole else np.zeros(count, bool)
        if 0 < odd.sum() < count / 2:
            return [index[~odd], *index[odd].reshape(-1, 1)]
        return [index[: count // 2], index[count // 2 :]]

    def _blame(self, batch: Batch, index: int, error: Exception) -> BadRow:
        number = int(batch.numbers[index])
        file, first = next(one for one in reversed(batch.files) if one[1] <= number)
        given = inputs_of(batch.rows, index, self._feeder.columns)
        text = str(getattr(error, "text", error)).strip() or type(error).__name__
        found = BadRow(number, file, number - first, given, text)
        self._count(found)
        return found

    def _count(self, found: BadRow) -> None:
        with self._lock:
            self._bad += 1
            bad = self._bad
        if self._most is not None and bad > self._most:
            raise TooManyBadRowsError(
                f"Row {found.row_in_file:,} of {found.file!r} cannot be scored: {found.error.splitlines()[0][:300]}",
                why=f"{bad:,} bad rows were found, and {self._most:,} are allowed",
                fix="Mend the rows, or allow more by max_bad; what is scored already stays",
                bad=bad,
            )

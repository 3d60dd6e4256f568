"""`tiffin.map`: score the rows of files with a stored model, however many they are."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import attrs
import pyarrow as pa

import tiffin
from tiffin import Model, Runnable, Runner, Tag
from tiffin.places import Progress, Silent
from tiffin.runners import RunnableMethod, available_processors
from tiffin.showing import close_names
from tiffin.signatures import plain_spec
from tiffin_map._defaults import FORMS, PART_ROWS, ROW_NUMBER
from tiffin_map._errors import MapError, TooManyBadRowsError
from tiffin_map._feeding import Feeder, columns_of
from tiffin_map._files import Source, open_source
from tiffin_map._job import Summary, begin
from tiffin_map._parts import SUMMARY, Output
from tiffin_map._reading import Reader
from tiffin_map._scoring import Batch, Scored, Scorer, batches

BATCH_ROWS = 1 << 14
"""Rows of a call at most, where nobody says how many."""
_BATCH_BYTES = 8 << 20
"""Bytes of a call's rows at most, where nobody says how many."""
_UNKNOWN_WIDTH = 2048
"""Bytes that a row counts for where its columns have texts, or lists of any length."""
_AHEAD = 4
"""Calls at once for each copy of the model: what waits there keeps it busy while a part is written."""
_CHANCE = 100
"""Bad rows by which a job may be beyond twice its share before its end: they may come together."""


def map(
    model: Model | Tag | str,
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    method: str | None = None,
    columns: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    as_: str | None = None,
    format: str = "parquet",
    row_number: str = ROW_NUMBER,
    backend: str = "process",
    workers: int | None = None,
    batch_rows: int | None = None,
    part_rows: int = PART_ROWS,
    max_bad: float = 0,
    timeout: float | None = None,
    overwrite: bool = False,
    params: Mapping[str, Any] | None = None,
    output_params: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Score the rows of files with a stored model, and write the answers in the same order.

    The output is a folder of parts, each published whole. A run that was killed, or ended with an error, goes on where it
    was when it is called again, and the result is the same bytes as without that. Rows that cannot be scored are written
    to `_bad_rows.jsonl` with their number and the error. When all is done there is a `_summary.json`.

    Args:
        model: the model, or its tag.
        source: a file, a folder, or a pattern with `*`, as a local path or a URL that fsspec opens: parquet, CSV, JSON
            lines, Arrow IPC, or numpy files, all of one format and with the same columns and types.
        output: the folder, a local path or a URL.
        method: which method of the model; by default its only one, `predict` or `__call__`.
        columns: what the method is given, in this order; by default the columns of its spec, or all but those in `keep`.
        keep: columns that are passed through to the output.
        types: column → Arrow type, such as {"x": "float64"}, for files of lines; by default told by the first 10,000 rows.
        as_: what the method is given: "array" (shape (rows, columns)), "frame" (pandas), "list" or "arrow". By default what
            its spec says; without one an array where all columns are numbers, a list of one column of texts, else a frame.
        format: of the output: "parquet", "csv", "jsonl" or "arrow".
        row_number: the name of the column with each row's number in the input, from 0; empty for none.
        backend: where the model runs, as for `Model.to_runner`.
        workers: copies of the model; by default one for each processor.
        batch_rows: rows of a call, 1 or more; by default 16,384, and fewer where these have more than 8 MiB.
        part_rows: rows of a part, a multiple of `batch_rows`.
        max_bad: rows that may be bad: a number of rows, or below 1 a share of all.
        timeout: seconds after which a call counts as failed; `None` for no limit.
        overwrite: whether the output of another run is removed first.
        params: options of the source's driver.
        output_params: options of the output's driver.
        progress: told of rows: `start("Scoring", rows)`, `None` where their number is not known, then `advance(rows)`.

    Returns:
        what was done. Where the output is whole already, nothing is.

    Raises:
        MapError: the job cannot begin: the input's files differ, lack a column, or changed since an earlier run; the output
            is that of another job; the method's rows are not answered one by one.
        TooManyBadRowsError: more rows are bad than may be.
        ModelNotFoundError: there is no such model.
        ArchiveError: a place cannot be read or written.
        StorageFullError: no space is left for the output.
    """
    _check_sizes(batch_rows, part_rows, max_bad, as_)
    began = time.monotonic()
    found = model if isinstance(model, Model) else tiffin.get(model)
    runnable = found.to_runnable()
    name, about = find_method(found, runnable.runnable_methods, method)
    copies = workers or available_processors()
    runner = _runner(runnable, name, found, backend=backend, workers=copies, timeout=timeout)
    spec = None if about.input_spec is None else plain_spec(about.input_spec)
    target = Output(os.fspath(output), output_params, format)
    with open_source(source, params) as files:
        given = columns if columns is not None else columns_of(spec)
        reader, feeder = _prepare(files, given, keep, types or {}, spec, as_, row_number)
        if batch_rows is None:
            batch_rows = _batch_rows(feeder.row_bytes or _UNKNOWN_WIDTH, part_rows)
        job = {
            "format": format,
            "content_digest": found.info.content_digest,
            "method": name,
            "input": files.digest(),
            "columns": feeder.columns,
            "keep": list(keep),
            "types": dict(types or {}),
            "as": feeder.form,
            "row_number": row_number,
            "batch_rows": batch_rows,
            "part_rows": part_rows,
        }
        done = begin(target, job, str(found.tag), overwrite=overwrite)
        if isinstance(done, Summary):
            return done
        before = target.bad_before(done)
        most = None if max_bad < 1 and max_bad else max(0, int(max_bad) - before)
        run = _Run(target, part_rows, done, before, max_bad, progress or Silent())
        with runner:
            call = runner.methods[name].run
            scorer = Scorer(call, feeder, keep, most, row_number, apart=backend != "local")
            pieces = reader.read(done * part_rows, batch_rows)
            run.progress.start("Scoring", None if (rows := reader.count()) is None else rows - done * part_rows)
            run.all(batches(pieces, done * part_rows, batch_rows), scorer.score, _AHEAD * copies)
        run.end(reader.end)
        if changed := files.changed():
            raise MapError(
                f"The input changed while it was read: {', '.join(changed[:3])}",
                why="Some parts are of what was there before, others of what is there now",
                fix="Run it again with overwrite=True (--overwrite) when nobody writes there",
            )
        summary = Summary(
            tag=str(found.tag),
            content_digest=found.info.content_digest,
            method=name,
            input=str(job["input"]),
            output=target.shown,
            rows=run.rows,
            scored=run.rows - run.bad,
            bad=run.bad,
            parts=run.parts,
            seconds=round(time.monotonic() - began, 3),
        )
        target.gather_bad(run.parts)
        target.write_json(SUMMARY, attrs.asdict(summary))
        return summary


def _batch_rows(row_bytes: int, part_rows: int) -> int:
    """Return how many rows a call has: as many as may be, since calls cost less for a row when they are large."""
    calls = -(-part_rows // max(1, min(BATCH_ROWS, _BATCH_BYTES // row_bytes)))
    while part_rows % calls:
        calls += 1
    return part_rows // calls


def _check_sizes(batch_rows: int | None, part_rows: int, max_bad: float, form: str | None) -> None:
    if part_rows < 1 or (batch_rows is not None and (batch_rows < 1 or part_rows % batch_rows)):
        raise MapError(
            f"batch_rows={batch_rows}, part_rows={part_rows}",
            why="A part holds whole batches, so that a run that goes on makes the same ones",
            fix="Give part_rows as a multiple of batch_rows",
        )
    if not 0 <= max_bad < float("inf"):
        raise MapError(f"max_bad={max_bad}", fix="Give a number of rows, or below 1 a share, such as 0.01")
    if form is not None and form not in FORMS:
        raise MapError(
            f"as_={form!r}", why="A method is given rows in another form", fix=f"Forms are: {', '.join(FORMS)}"
        )


def _runner(
    runnable: type[Runnable], method: str, model: Model, *, backend: str, workers: int, timeout: float | None
) -> Runner:
    """Return a runner that neither merges nor splits what it is given: answers must not depend on who else calls."""
    about = replace(runnable.runnable_methods[method], batchable=False)
    alone: type[Runnable] = type(runnable.__name__, (runnable,), {"runnable_methods": {method: about}})
    return Runner(
        alone,
        name=f"map-{model.name}"[:200],
        models=[model],
        backend=backend,
        workers=workers,
        method_configs={method: {"timeout": timeout}} if timeout else None,
    )


def find_method(model: Model, declared: Mapping[str, RunnableMethod], asked: str | None) -> tuple[str, RunnableMethod]:
    """Return the method that answers rows: the one that is asked for, the only one, `predict` or `__call__`.

    Raises:
        MapError: there is none, or what it answers to many rows is not an answer for each.
    """
    names = [name for name, about in declared.items() if about.kind == "call"]
    preferred = [name for name in ("predict", "__call__") if name in names]
    chosen = asked or (names[0] if len(names) == 1 else next(iter(preferred), ""))
    if chosen not in names:
        close = close_names(chosen, names, 1)
        raise MapError(
            f"Model '{model.tag}' has no method {chosen!r} that answers rows"
            if asked
            else f"Model '{model.tag}' has several methods, and none is asked for",
            why=f"It has: {', '.join(names) or 'none'}",
            fix=f"Did you mean {close[0]!r}?" if close else "Name one of them as the method",
        )
    about = declared[chosen]
    if not about.batchable or about.batch_dim not in (0, (0, 0)):
        said = f"batch_dim: {about.batch_dim}" if about.batchable else "batchable: False"
        raise MapError(
            f"The method {chosen!r} of model '{model.tag}' does not answer a batch row by row",
            why=f"Its signature says {said}, so what it answers to many rows is not an answer for each",
            fix=f"Save it with signatures={{{chosen!r}: {{'batchable': True}}}} if each row is answered by itself",
        )
    return chosen, about


def _prepare(
    files: Source,
    given: Sequence[str] | None,
    keep: Sequence[str],
    types: Mapping[str, str],
    spec: Mapping[str, Any] | None,
    form: str | None,
    row_number: str,
) -> tuple[Reader, Feeder]:
    if row_number and row_number in keep:
        fix = "Name the column of numbers otherwise by row_number=, or leave it out: row_number=''"
        raise MapError(f"The column {row_number!r} is passed through, and the rows' numbers are called so", fix=fix)
    wanted = None if given is None else list(dict.fromkeys([*given, *keep]))
    reader = Reader(files, wanted, types)
    if given is None:
        reader_names = reader.schema.names
        unknown = [name for name in keep if name not in reader_names]
        if unknown:
            Reader(files, unknown, types)  # which says what there is
        given = [name for name in reader_names if name not in keep]
    if keep and files.files[0].format == "npy":
        raise MapError("A numpy file has no columns that could be passed through", fix="Leave keep out")
    return reader, Feeder(reader.schema, given, spec, form)


@attrs.define
class _Run:
    """The state of a run: which part is being filled, and what has been counted."""

    output: Output
    part_rows: int
    parts: int
    bad: int
    max_bad: float
    progress: Progress
    rows: int = 0
    _filled: list[Scored] = attrs.Factory(list)
    _schema: pa.Schema | None = None

    def all(self, given: Iterator[Batch], score: Callable[[Batch], Scored], ahead: int) -> None:
        """Score all batches, a few at a time, and publish each part when its last one is done."""
        self.rows = self.parts * self.part_rows
        if self.parts:
            self._schema = self.output.schema_of(0)
        waiting: deque[Future[Scored]] = deque()
        with ThreadPoolExecutor(ahead, thread_name_prefix="tiffin-map") as pool:
            try:
                for batch in given:
                    waiting.append(pool.submit(score, batch))
                    while len(waiting) > ahead:
                        self._take(waiting.popleft().result())
                while waiting:
                    self._take(waiting.popleft().result())
            finally:
                for one in waiting:
                    one.cancel()
        if self._filled:
            self._publish()

    def end(self, rows: int) -> None:
        """Note the number of all rows, those before this run included, and judge the bad ones."""
        self.rows = rows  # where a run before came to the end, its last part may have fewer rows than a part has
        self._judge(final=True)

    def _take(self, scored: Scored) -> None:
        self.progress.advance(scored.stop - self.rows)
        self.rows = scored.stop
        self.bad += len(scored.bad)
        self._filled.append(scored)
        if scored.stop % self.part_rows == 0:
            self._publish()

    def _publish(self) -> None:
        self._judge()
        self._schema = self.output.publish(self.parts, self._filled, self._schema)
        self.parts += 1
        self._filled = []

    def _judge(self, *, final: bool = False) -> None:
        """Refuse to go on where more than the share that is allowed is bad; not by the first few rows."""
        if not 0 < self.max_bad < 1:
            return
        allowed = self.max_bad * self.rows
        if self.bad > (allowed if final else 2 * allowed + _CHANCE):
            raise TooManyBadRowsError(
                f"{self.bad:,} of {self.rows:,} rows cannot be scored",
                why=f"A share of {self.max_bad:g} is allowed",
                fix="Mend the rows, or allow more by max_bad; what is scored already stays",
                bad=self.bad,
            )

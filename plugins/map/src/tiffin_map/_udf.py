"""Models as functions for engines of data: small when they travel, loaded once in each process that calls them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import tiffin
from tiffin import Model
from tiffin.models import ModelReference
from tiffin.signatures import plain_spec
from tiffin_map._errors import MapError

_loaded: dict[tuple[str, str], Any] = {}
_lock = threading.Lock()


def as_udf(
    model: Model,
    method: str = "",
    *,
    columns: Sequence[str] | None = None,
    keep: Sequence[str] | None = None,
    output: str = "prediction",
    as_: str | None = None,
    remote: str | None = None,
) -> Udf:
    """Return a stored model's method as a function of batches; see `Udf`.

    Args:
        model: the model.
        method: which method; by default its only one, `predict` or `__call__`.
        columns: what the method is given, in this order; by default the columns of its spec, or all of a batch.
        keep: columns that are passed through; by default all.
        output: the column with the answers, where they have no names of their own.
        as_: what the method is given, as for `tiffin.map`.
        remote: where workers pull the version from if their store lacks it: a remote's name, or a URL.

    Raises:
        MapError: there is no such method.
    """
    from tiffin_map._mapping import find_method

    found, about = find_method(model, model.to_runnable().runnable_methods, method or None)
    referred = tiffin.models.reference(model)
    return Udf(
        tag=referred.tag,
        content_digest=referred.content_digest,
        method=found,
        columns=None if columns is None else tuple(columns),
        keep=None if keep is None else tuple(keep),
        output=output,
        form=as_,
        spec=None if about.input_spec is None else plain_spec(about.input_spec),
        remote=remote,
        trusted=referred.trusted,
    )


class Udf:
    """A stored model's method, as a function of batches; made by `Model.as_udf`.

    It takes a dict of arrays, a pandas or polars frame, or an Arrow table or record batch, and returns the same kind, with
    the columns that it keeps and one or more of answers. An iterator of such batches gives an iterator. It pickles to the
    model's tag and digest, never to its weights, and loads the model when it is first called in a process. Where the store
    there lacks the version it is pulled, and used only if its content has exactly the digest that the program that made this
    saw; that digest is trusted there as it was here.
    """

    def __init__(
        self,
        tag: str,
        content_digest: str,
        method: str,
        columns: tuple[str, ...] | None,
        keep: tuple[str, ...] | None,
        output: str,
        form: str | None,
        spec: Mapping[str, Any] | None,
        remote: str | None,
        trusted: bool,
    ) -> None:
        self.tag = tag
        self.content_digest = content_digest
        self.method = method
        self.columns = columns
        self.keep = keep
        self.output = output
        self.form = form
        self.spec = spec
        self.remote = remote
        self.trusted = trusted
        # What engines show of a step.
        self.__name__ = f"{tag}.{method}"

    def __repr__(self) -> str:
        return f"Udf({self.tag!r}, {self.method!r})"

    def __call__(self, batch: Any) -> Any:
        """Answer a batch, or each batch of an iterator.

        Args:
            batch: a dict of arrays, each with a row for each row; a frame; a table; or an iterator of these.

        Returns:
            the same kind, of as many rows.

        Raises:
            MapError: the batch is of no kind that is known, or lacks a column.
            ModelNotFoundError: the model is not there and there is no remote, or has another content there.
        """
        if isinstance(batch, Iterator):
            return (self(one) for one in batch)
        table = _to_arrow(batch)
        kept = table.column_names if self.keep is None else list(self.keep)
        return _like(batch, table, kept, self._answered(table))

    def _answered(self, table: Any) -> dict[str, Any]:
        """Return the columns that are answered."""
        from tiffin_map._feeding import PREDICTION, Feeder, as_columns, columns_of

        names = table.column_names
        columns = self.columns or columns_of(self.spec) or names
        missing = [name for name in (*columns, *(self.keep or ())) if name not in names]
        if missing:
            raise MapError(f"The batch has no column {missing[0]!r}", why=f"It has: {', '.join(names)}")
        feeder = Feeder(table.schema, columns, self.spec, self.form)
        if table.num_rows == 0 and not self.spec:
            return {}
        answers = as_columns(self._bound()(feeder.feed(table)), table.num_rows)
        return {self.output if name == PREDICTION else name: answers.column(name) for name in answers.column_names}

    def _bound(self) -> Any:
        key = (self.content_digest, self.method)
        if key not in _loaded:
            # Threads of one process would load it as often as there are threads.
            with _lock:
                if key not in _loaded:
                    _loaded[key] = getattr(self._model().to_runnable()(), self.method)
        return _loaded[key]

    def _model(self) -> Model:
        return ModelReference(self.tag, self.content_digest, self.remote, self.trusted).ensure_local()


def _to_arrow(batch: Any) -> Any:
    import pyarrow as pa

    from tiffin_map._feeding import as_columns

    if isinstance(batch, Mapping):
        lengths = {len(column) for column in batch.values()}
        if len(lengths) != 1:
            raise MapError("The batch is a dict whose columns have not one length", why=f"Theirs are {sorted(lengths)}")
        return as_columns({name: np.asarray(column) for name, column in batch.items()}, lengths.pop())
    if isinstance(batch, (pa.Table, pa.RecordBatch)) or hasattr(batch, "columns"):
        return as_columns(batch, len(batch))
    raise MapError(
        f"A batch of the class {type(batch).__name__!r} has no columns that are known",
        fix="Give a dict of arrays, a pandas or polars frame, or an Arrow table",
    )


def _like(batch: Any, table: Any, kept: Sequence[str], answered: Mapping[str, Any]) -> Any:
    """Return what is kept of a batch, and what was answered, as what the batch was; `table` is the batch in Arrow."""
    import pyarrow as pa

    if hasattr(batch, "iloc"):  # what is kept stays as it is, and is not copied through Arrow
        named = dict(zip(table.column_names, batch.columns, strict=True))
        made = batch[[named[name] for name in kept]]
        return made.assign(**{name: column.to_pandas().array for name, column in answered.items()})
    columns = {**{name: table.column(name) for name in kept}, **answered}
    if isinstance(batch, Mapping):
        return {name: _array(column) for name, column in columns.items()}
    whole = pa.table(columns)
    if isinstance(batch, pa.Table):
        return whole
    if isinstance(batch, pa.RecordBatch):
        return whole.combine_chunks().to_batches()[0] if len(whole) else pa.RecordBatch.from_pylist([], whole.schema)
    import polars

    return polars.from_arrow(whole)


def _array(column: Any) -> Any:
    import pyarrow as pa

    one = column.combine_chunks()
    if pa.types.is_fixed_size_list(one.type):
        return one.flatten().to_numpy(zero_copy_only=False).reshape(len(one), -1)
    return one.to_numpy(zero_copy_only=False)

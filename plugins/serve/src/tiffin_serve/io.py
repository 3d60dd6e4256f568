"""What an API of a service takes and gives: descriptors, one for each kind of value.

A descriptor reads a request's body, checks it, and writes the answer's. `Descriptor` is what one of your own derives from.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tiffin.exceptions import SignatureError
from tiffin.signatures import plain_spec
from tiffin_serve._description import schema_of
from tiffin_serve._errors import RequestError, ServeError
from tiffin_serve._json_forms import read_json, write_json
from tiffin_serve._taking import AnyTaker, ArrayTaker, FrameTaker, make_taker, plain_dtype

__all__ = ["JSON", "Descriptor", "NumpyNdarray", "PandasDataFrame", "PandasSeries", "Text", "descriptors_of"]


class Descriptor:
    """Reads and writes JSON of any form. Base class of all others.

    Attributes:
        media_type: what its bodies are.
        schema: what they hold, as JSON Schema; empty for anything.
    """

    media_type = "application/json"
    schema: Mapping[str, Any] = {}

    def read(self, body: bytes) -> Any:
        """Return the value that a request's body stands for.

        Raises:
            RequestError: it is not what is expected here.
        """
        return read_json(body)

    def write(self, value: Any) -> bytes:
        """Return the body that stands for a value.

        Raises:
            RequestError: the value has no such form.
        """
        return write_json(value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JSON(Descriptor):
    """Any value that JSON has."""


class Text(Descriptor):
    """Text in UTF-8."""

    media_type = "text/plain; charset=utf-8"
    schema: Mapping[str, Any] = {"type": "string"}

    def read(self, body: bytes) -> str:
        """Return the text."""
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise RequestError(400, f"The body is not text in UTF-8: {error.reason}") from None

    def write(self, value: Any) -> bytes:
        """Return the text as bytes."""
        return str(value).encode()


class NumpyNdarray(Descriptor):
    """An array of numpy: nested lists in JSON. What fits without loss is cast, everything else refused.

    Args:
        dtype: anything that numpy takes for a dtype; `None` for whatever comes.
        shape: lengths of the axes; -1 or `None` for any. `None` in its place: any shape.
    """

    def __init__(self, dtype: Any = None, shape: Sequence[int | None] | None = None) -> None:
        given: dict[str, Any] = {"type": "array"}
        if dtype is not None:
            given["dtype"] = dtype
        if shape is not None:
            given["shape"] = list(shape)
        try:
            spec = plain_spec(given, where="array")
        except SignatureError as error:
            raise ServeError(error.what, why=error.why, fix=error.fix) from error
        self.schema = schema_of(spec)
        self._taker = ArrayTaker(spec) if len(spec) > 1 else AnyTaker()

    def read(self, body: bytes) -> np.ndarray:
        """Return the array."""
        found = self._taker.from_json(read_json(body), body)
        if not isinstance(found, np.ndarray):
            raise RequestError(422, "The body is no array", fix="Send nested lists of numbers of the same lengths")
        return found

    def write(self, value: Any) -> bytes:
        """Return nested lists."""
        return write_json(np.asarray(value))


class PandasDataFrame(Descriptor):
    """A table of pandas: a list of records, or a dict of columns; written as records.

    Args:
        columns: the names of its columns, in order; `None` for those that come.
        dtype: column → dtype, of those that are checked and cast.
    """

    def __init__(self, columns: Sequence[str] | None = None, dtype: Mapping[str, Any] | None = None) -> None:
        dtypes = dict(dtype or {})
        names = list(columns) if columns is not None else list(dtypes)
        unknown = [name for name in dtypes if name not in names]
        if unknown:
            raise ServeError(f"There is a dtype for {unknown[0]!r}, which is no column", why=f"They are: {names}")
        self._taker: FrameTaker | None = None
        self.schema = {"type": "array", "items": {"type": "object"}}
        if names:
            told = [{"name": name, **({"dtype": dtypes[name]} if name in dtypes else {})} for name in names]
            spec = plain_spec({"type": "frame", "columns": told}, where="table")
            self._taker = FrameTaker(spec)
            self.schema = schema_of(spec)

    def read(self, body: bytes) -> Any:
        """Return the table."""
        value = read_json(body)
        if self._taker is not None:
            return self._taker.from_json(value, body)
        records = value if isinstance(value, list) else None
        first = records[0] if records else value
        if not isinstance(first, dict) or not first:
            raise RequestError(
                422, "The body is no table", fix='Send [{"column": value, …}, …] or {"column": [value, …]}'
            )
        columns = [{"name": name} for name in first]
        return FrameTaker({"type": "frame", "columns": columns}).from_json(value, body)


class PandasSeries(Descriptor):
    """A column of pandas: a list.

    Args:
        dtype: its dtype; `None` for whatever comes.
        name: its name.
    """

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        spec: dict[str, Any] = {"type": "array", "shape": [None], **({} if dtype is None else {"dtype": dtype})}
        spec = plain_spec(spec, where="series")
        if dtype is not None and plain_dtype(spec["dtype"]) is None:
            raise ServeError(f"A series of dtype {dtype!r} is not read from JSON", fix="Use one of numpy's")
        self.schema = schema_of(spec)
        self._taker, self._name = make_taker(spec), name

    def read(self, body: bytes) -> Any:
        """Return the series."""
        import pandas

        return pandas.Series(self._taker.from_json(read_json(body), body), name=self._name)


_BY_NAME: Mapping[str, Callable[[], Descriptor]] = {
    "numpy.ndarray": NumpyNdarray,
    "pandas.DataFrame": PandasDataFrame,
    "pandas.core.frame.DataFrame": PandasDataFrame,
    "pandas.Series": PandasSeries,
    "pandas.core.series.Series": PandasSeries,
    "builtins.str": Text,
}
"""The class that a function is annotated with, by its name, and what stands for it; for all others that is JSON."""


def descriptors_of(
    function: Callable[..., Any], given: Descriptor | None, returned: Descriptor | None
) -> tuple[Descriptor | None, Descriptor]:
    """Return what a function takes and gives: what was said of it, else what its annotations say, else JSON.

    Args:
        function: with one argument, or none.
        given: the descriptor of its argument, if there is one.
        returned: the descriptor of what it returns, if there is one.

    Returns:
        Both descriptors; the first is `None` where it takes nothing.

    Raises:
        ServeError: it takes several arguments, or an annotation names what is not there.
    """
    name = getattr(function, "__name__", repr(function))
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) > 1 or any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
        raise ServeError(
            f"The API {name!r} takes {', '.join(map(str, parameters))}",
            why="A request has one body, which becomes one argument",
            fix="Take a dict with JSON(), or a table with PandasDataFrame()",
        )
    if (parameters and given is None) or returned is None:
        try:
            hints = typing.get_type_hints(function)
        except NameError as error:
            raise ServeError(
                f"The API {name!r} has an annotation that cannot be read: {error}",
                fix="Import what it names, or say input=… and output=…",
            ) from error
        if parameters and given is None:
            given = _of(hints.get(parameters[0].name))
        returned = returned or _of(hints.get("return"))
    return given if parameters else None, returned


def _of(hint: Any) -> Descriptor:
    name = f"{getattr(typing.get_origin(hint) or hint, '__module__', '')}.{getattr(hint, '__qualname__', '')}"
    if isinstance(origin := typing.get_origin(hint), type):
        name = f"{origin.__module__}.{origin.__qualname__}"  # NDArray[np.float64] is ndarray[…]
    return _BY_NAME.get(name, JSON)()

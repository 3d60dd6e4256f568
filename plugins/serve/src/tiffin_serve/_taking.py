"""What a method takes, by its spec: made of JSON, or of arrays with a dtype. Safe casts are done, unsafe ones refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np

from tiffin.exceptions import SignatureError
from tiffin.signatures import check_spec, describe_spec
from tiffin.values import from_numpy
from tiffin_serve._errors import RequestError

_MOST_TEXT = 64 << 20
"""Bytes that numpy may waste for texts where a model takes them as it has them, all of one width."""
_FEW_TEXTS = 64

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments."""

Tensor = tuple[str, list[int | None], np.dtype[Any] | None]
"""What a request may bring under a name: shape and dtype; `None` where any will do."""


class Taker(Protocol):
    """Makes arguments of what a request brings.

    Attributes:
        words: what is expected, in words.
    """

    words: str

    def from_json(self, value: Any, text: bytes) -> Any:
        """Return the argument that a JSON value stands for; `text` is the request that it stands in."""

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the argument that named arrays stand for."""

    def tensors(self) -> list[Tensor]:
        """Return which named arrays it takes, as far as that is known."""


def refuse(words: str, found: str, where: str = "inputs") -> NoReturn:
    """Raise the error for an input that is not what the spec says."""
    raise RequestError(422, f"{where}: expected {words}, found {found}")


class ArrayTaker:
    """Takes one array.

    Args:
        spec: of type "array"; dtype and shape may be missing.
        name: what the array is called; a request that brings one array may call it anything.
    """

    def __init__(self, spec: Mapping[str, Any], name: str = "input") -> None:
        self.spec = spec
        self.name = name
        self.words = describe_spec(dict(spec))
        self.shape: list[int | None] | None = spec.get("shape")
        self.dtype = plain_dtype(spec.get("dtype"))
        self._plain = spec.get("kind") is None
        # The usual matrix of floats is checked by two comparisons.
        self._width = (
            self.shape[1] if self.shape is not None and len(self.shape) == 2 and self.shape[0] is None else None
        )

    def from_json(self, value: Any, text: bytes) -> Any:
        """Return the array that nested lists of numbers or texts stand for."""
        if type(value) is not list and self.shape != []:
            refuse(self.words, _json_type(value))
        if value == [] and self.shape and self.shape[0] is None:
            # No rows have no further axes in JSON.
            array = np.empty([length or 0 for length in self.shape], self.dtype)
            return self._shaped(array)
        try:
            array = _array_of(value, text)
        except ValueError:
            refuse(self.words, "lists of different lengths")
        dtype = array.dtype
        if (
            (dtype is self.dtype or (self.dtype is None and dtype.kind == "f"))
            and dtype.kind == "f"
            and text.find(b"true") < 0  # `in` takes twice as long
            and text.find(b"false") < 0
        ):
            return self._shaped(array)  # nearly all of them
        if array.dtype.kind not in "biufUO" or _mixes(value, array.dtype.kind, text):
            refuse(self.words, "values that are not all numbers, all truth values, or all texts")
        return self._shaped(self._cast(array, from_json=True))

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the one array."""
        if len(arrays) != 1:
            refuse(f"one array ({self.words})", f"{len(arrays)}: {', '.join(arrays)[:200]}")
        [(name, array)] = arrays.items()
        return self.take(array, name)

    def take(self, array: np.ndarray, name: str) -> Any:
        """Return an array of another dtype as this spec has it."""
        return self._shaped(self._cast(array, from_json=False, where=name), name)

    def tensors(self) -> list[Tensor]:
        """Return the one array; its number of axes may be unknown, which is written as one of any length."""
        return [(self.name, [None] if self.shape is None else list(self.shape), self.dtype)]

    def _shaped(self, array: np.ndarray, where: str = "inputs") -> Any:
        if self._width is not None:
            shape = array.shape
            if len(shape) != 2 or shape[1] != self._width:
                refuse(self.words, f"shape {array.shape}", where)
        elif self.shape is not None and not (
            array.ndim == len(self.shape)
            and all(wanted is None or wanted == length for wanted, length in zip(self.shape, array.shape, strict=True))
        ):
            refuse(self.words, f"shape {array.shape}", where)
        return array if self._plain else from_numpy(array, self.spec)

    def _cast(self, array: np.ndarray, *, from_json: bool, where: str = "inputs") -> np.ndarray:
        wanted = self.dtype
        if wanted is None or array.dtype == wanted:
            return array
        if array.size == 0 and from_json:
            return array.astype(wanted)
        have, want = array.dtype.kind, wanted.kind
        if have in "UO" and want in "UO":
            if have == "O" and want == "U" and _waste(array.ravel().tolist()) > _MOST_TEXT:
                refuse(
                    self.words,
                    "texts of very different lengths, which numpy would give the width of the longest",
                    where,
                )
            return array.astype(object if want == "O" else np.str_)
        safe = np.can_cast(array.dtype, wanted, "safe") and (have == "b") == (want == "b") and want in "biufc"
        if from_json and not safe:
            # JSON says of a number only whether it is whole: that it fits is what counts.
            if have in "iu" and want in "iu":
                bounds = np.iinfo(wanted)
                safe = bool(array.min() >= bounds.min and array.max() <= bounds.max)
            elif have in "iuf" and want == "f":
                with np.errstate(over="ignore"):
                    safe = bool(np.isfinite(array.astype(wanted)).all())
        if not safe:
            refuse(self.words, f"{_dtype_words(array.dtype)}, which does not fit that without loss", where)
        return array.astype(wanted)


class FrameTaker:
    """Takes a table of pandas: records or columns in JSON, an array for each column otherwise.

    Args:
        spec: of type "frame", with its columns.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        import pandas

        self._pandas = pandas
        names = [column["name"] for column in spec["columns"]]
        self.columns = {
            str(name): (name, column.get("dtype")) for name, column in zip(names, spec["columns"], strict=True)
        }
        self.words = f"a table with the columns {', '.join(map(repr, self.columns))[:300]}"

    def from_json(self, value: Any, text: bytes) -> Any:
        """Return the frame that a list of records, or a dict of columns, stands for."""
        if isinstance(value, list) and all(type(record) is dict for record in value):
            for number, record in enumerate(value):
                self._check_names(record, f"inputs[{number}]")
            columns = {key: [record[key] for record in value] for key in self.columns}
        elif isinstance(value, dict) and all(type(column) is list for column in value.values()):
            self._check_names(value, "inputs")
            columns = {key: value[key] for key in self.columns}
        else:
            refuse(f"{self.words}, as a list of records or a dict of columns", _json_type(value))
        return self._frame({key: self._column(key, items) for key, items in columns.items()})

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the frame whose columns are these arrays, of shape (rows,) or (rows, 1)."""
        self._check_names(arrays, "inputs")
        columns = {}
        for key in self.columns:
            array = arrays[key]
            if array.ndim == 2 and array.shape[1] == 1:
                array = array[:, 0]
            if array.ndim != 1:
                refuse("shape (rows,) or (rows, 1)", f"shape {array.shape}", key)
            wanted = plain_dtype(self.columns[key][1])
            if wanted is not None and wanted.kind in "biuf":
                array = ArrayTaker({"type": "array", "dtype": wanted.name}).take(array, key)
            columns[key] = array
        return self._frame(columns)

    def tensors(self) -> list[Tensor]:
        """Return an array for each column."""
        return [(key, [None], plain_dtype(dtype)) for key, (_, dtype) in self.columns.items()]

    def _check_names(self, given: Mapping[str, Any], where: str) -> None:
        if given.keys() != self.columns.keys():
            missing = [name for name in self.columns if name not in given]
            added = [str(name) for name in given if name not in self.columns]
            parts = [f"without {', '.join(map(repr, missing))}"] * bool(missing)
            parts += [f"with {', '.join(map(repr, added))}"] * bool(added)
            refuse(self.words, f"one {' and '.join(parts)}"[:400], where)

    def _column(self, key: str, items: Sequence[Any]) -> Any:
        wanted = plain_dtype(self.columns[key][1])
        if wanted is None or wanted.kind not in "biuf":
            return list(items)
        kinds = {type(item) for item in items}
        if wanted.kind == "f" and kinds <= {float, int, type(None)}:
            return np.array([np.nan if item is None else item for item in items], wanted)
        if kinds <= ({bool} if wanted.kind == "b" else {int}):
            bounds = None if wanted.kind == "b" else np.iinfo(wanted)
            if bounds is None or all(bounds.min <= item <= bounds.max for item in items):
                return np.array(items, wanted)
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        refuse(wanted.name, f"values of {found}, or too large for it", f"column {key!r}")

    def _frame(self, columns: Mapping[str, Any]) -> Any:
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            refuse(self.words, f"columns of {', '.join(map(str, sorted(lengths)))} rows")
        made = {}
        for key, column in columns.items():
            name, dtype = self.columns[key]
            # Numbers have their dtype by now; of texts and dates only pandas knows how.
            given = None if isinstance(column, np.ndarray) or dtype == "str" else dtype
            made[tuple(name) if isinstance(name, list) else name] = self._pandas.Series(column, dtype=given)
        return self._pandas.DataFrame(made)


class PlainTaker:
    """Takes what JSON itself has: texts, numbers, lists and dicts, checked against a spec."""

    def __init__(self, spec: Mapping[str, Any], name: str = "input") -> None:
        self._spec = dict(spec)
        self.name = name
        self.words = describe_spec(self._spec)

    def from_json(self, value: Any, text: bytes) -> Any:
        """Return the value, if it is what the spec says."""
        try:
            check_spec(self._spec, value, where="inputs")
        except SignatureError as error:
            raise RequestError(422, error.what) from None
        return value

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the list of one array of shape (rows,) or (rows, 1)."""
        if len(arrays) != 1:
            refuse(f"one array ({self.words})", f"{len(arrays)}: {', '.join(arrays)[:200]}")
        [array] = arrays.values()
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        return self.from_json(array.tolist(), b"")

    def tensors(self) -> list[Tensor]:
        """Return the one array."""
        text = self._spec.get("items", {}).get("type") == "str" if self._spec["type"] == "list" else False
        return [(self.name, [None], np.dtype(object) if text else None)]


class AnyTaker:
    """Takes anything, where nothing is known: nested lists of numbers are an array, all else is as JSON has it."""

    words = "anything"

    def __init__(self, name: str = "input") -> None:
        self.name = name

    def from_json(self, value: Any, text: bytes) -> Any:
        """Return an array or the value."""
        if isinstance(value, list):
            try:
                array = _array_of(value, text)
            except ValueError:
                return value
            if array.dtype.kind in "iuf" and not _mixes(value, array.dtype.kind, text):
                return array
        return value

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return the one array, or several by name."""
        return next(iter(arrays.values())) if len(arrays) == 1 else dict(arrays)

    def tensors(self) -> list[Tensor]:
        """Return nothing: nothing is known."""
        return []


class ArgumentsTaker:
    """Takes several arguments by name.

    Args:
        takers: argument → what takes it; arguments that are left out have their defaults.
    """

    def __init__(self, takers: Mapping[str, Taker]) -> None:
        self.takers = takers
        self.words = f"the arguments {', '.join(map(repr, takers))}"

    def from_json(self, value: Any, text: bytes) -> dict[str, Any]:
        """Return keyword arguments."""
        if type(value) is not dict:
            refuse(f"a dict of {self.words}", _json_type(value))
        self._check(value)
        return {name: self.takers[name].from_json(item, text) for name, item in value.items()}

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return keyword arguments."""
        self._check(arrays)
        return {name: self.takers[name].from_arrays({name: array}) for name, array in arrays.items()}

    def tensors(self) -> list[Tensor]:
        """Return the arrays of all arguments."""
        return [(name, shape, dtype) for name, taker in self.takers.items() for _, shape, dtype in taker.tensors()[:1]]

    def _check(self, given: Mapping[str, Any]) -> None:
        unknown = [name for name in given if name not in self.takers]
        if unknown:
            refuse(self.words, repr(unknown[0][:80]))


def make_taker(spec: Mapping[str, Any] | None, name: str = "input") -> Taker:
    """Return what takes a method's input.

    Args:
        spec: the input's spec; `None` where nothing is known.
        name: what its one argument is called.
    """
    if spec is None or spec["type"] in ("any", "object"):
        return AnyTaker(name)
    if spec["type"] == "arguments":
        return ArgumentsTaker({key: make_taker(item, key) for key, item in spec["properties"].items()})
    if spec["type"] == "array":
        return ArrayTaker(spec, name)
    if spec["type"] == "frame" and "columns" in spec:
        return FrameTaker(spec)
    return PlainTaker(spec, name)


def plain_dtype(name: str | None) -> np.dtype[Any] | None:
    """Return numpy's dtype of a name in a spec; `None` where there is no name, or it is another library's."""
    if name is None:
        return None
    try:
        return np.dtype(name)
    except TypeError:
        return None  # of another library


def _array_of(value: Any, text: bytes) -> np.ndarray:
    """Return the array of nested lists: of Python's texts where numpy would give each of them the width of a far longer one.

    Raises:
        ValueError: the lists are of different lengths.
    """
    # No texts but the key, as in the usual request for numbers.
    quotes = text.count(b'"')
    if not quotes or (quotes == 2 and text.startswith(b'{"inputs"')):
        return np.array(value)
    # Few and short ones waste little.
    quoted = text.split(b'"', 2 * _FEW_TEXTS) if b"\\" not in text else []
    few = quoted and len(quoted) <= 2 * _FEW_TEXTS and max(map(len, quoted[1::2]), default=0) <= _FEW_TEXTS
    if few or type(value) is not list or _waste(value) <= 0:
        return np.array(value)
    array = np.array(value, object)
    if any(type(item) is list for item in array.ravel().tolist()):
        raise ValueError("its lists are of different lengths")
    return array


def _waste(value: Any) -> int:
    """Return how many bytes numpy would take for nested lists of texts, beyond 64 for each character that is there."""
    pending, count, width, total = [value], 0, 0, 64
    while pending:
        items = pending.pop()
        texts = [item for item in items if type(item) is str]
        count += len(items)
        total += sum(map(len, texts))
        width = max(width, max(map(len, texts), default=0))
        pending += [item for item in items if type(item) is list]
    return 4 * count * width - 64 * total


def _mixes(value: Any, kind: str, text: bytes) -> bool:
    """Tell whether numpy has joined values of different kinds of JSON into one: true into 1, 1.5 into "1.5"."""
    if kind in "UO":
        return not _all_are(value, str)
    return kind != "b" and (b"true" in text or b"false" in text) and _has_truth(value)


def _all_are(value: Any, kind: type) -> bool:
    return all(_all_are(item, kind) for item in value) if type(value) is list else type(value) is kind


def _has_truth(value: Any) -> bool:
    return any(map(_has_truth, value)) if type(value) is list else type(value) is bool


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _dtype_words(dtype: np.dtype[Any]) -> str:
    return {"U": "texts", "S": "bytes", "O": "texts or objects", "b": "truth values"}.get(dtype.kind, dtype.name)

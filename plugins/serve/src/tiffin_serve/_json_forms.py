"""JSON in and out, without what JSON has not: NaN, the infinities, whole numbers that would lose digits."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import orjson

from tiffin_serve._errors import RequestError

JSON = [("content-type", "application/json")]

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 19
_DUMP = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
_MOST, _LEAST = (1 << 64) - 1, -(1 << 63)


def read_json(body: bytes) -> Any:
    """Return what a body says in JSON.

    Raises:
        RequestError: it is not JSON in UTF-8, has NaN or an infinity, a whole number beyond 64 bits, or is nested too deeply.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"The body is not JSON: {error}") from None
    if body.translate(_DIGITS).find(_LONG) >= 0:  # `in` takes twice as long
        # The parser makes floats of whole numbers beyond 64 bits; only a slower one tells whether there are any.
        try:
            json.loads(body, parse_int=_check_size)
        except RecursionError:
            raise RequestError(400, "The body is not JSON: it is nested too deeply") from None
    return value


def _check_size(digits: str) -> None:
    if len(digits) > 20 or not _LEAST <= int(digits) <= _MOST:
        raise RequestError(
            400,
            f"The whole number {digits[:40]} has more than 64 bits",
            fix="Write it as text, or as a number with a point",
        )


def write_json(value: Any) -> bytes:
    """Return a value as JSON: arrays as lists, frames as records.

    Raises:
        RequestError: JSON has no form for it: it holds NaN or an infinity, or an object that is no data.
    """
    try:
        text = orjson.dumps(value, _plain, _DUMP)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, RequestError):
            raise error.__cause__ from None
        raise RequestError(500, f"The model's answer has no form in JSON: {error}") from error
    if b"null" in text and _holds_no_number(value):
        raise RequestError(
            406,
            "The model's answer holds NaN or an infinity",
            why="JSON has no form for them",
            fix="Ask for binary tensors of the Open Inference Protocol, which carry them",
        )
    return text


def _plain(value: Any) -> Any:
    """Return what is written in place of a value that the encoder does not know."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")  # of pydantic
    if hasattr(value, "__attrs_attrs__"):
        return {one.name: getattr(value, one.name) for one in value.__attrs_attrs__}
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict("records")  # a frame of pandas
    if hasattr(value, "to_dicts"):
        return value.to_dicts()  # a frame of polars
    for method in ("tolist", "to_list"):
        if hasattr(value, method):
            return getattr(value, method)()  # an array, a number of numpy's, a tensor, a series
    if hasattr(value, "toarray"):
        return value.toarray()  # a sparse matrix
    raise TypeError(f"an object of class {type(value).__qualname__}")


def _holds_no_number(value: Any) -> bool:
    """Tell whether there is NaN or an infinity in a value, as opposed to None."""
    import numpy as np  # not above: whoever only asks a server for its state loads this module, too

    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind in "fc":
            return not bool(np.isfinite(value).all())
        return value.dtype.hasobject and _holds_no_number(value.tolist())
    if isinstance(value, dict):
        return any(map(_holds_no_number, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_no_number, value))
    if value is None or isinstance(value, (str, int, bool)):
        return False
    try:
        return _holds_no_number(_plain(value))
    except TypeError:
        return False

"""Tensors of the Open Inference Protocol: read from JSON and from bytes, written as either, and named."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tiffin_serve._errors import RequestError
from tiffin_serve._taking import ArrayTaker, Tensor, plain_dtype

DATATYPES = {
    "BOOL": "bool",
    **{f"{sign}INT{size}": f"{sign.lower()}int{size}" for sign in ("U", "") for size in (8, 16, 32, 64)},
    **{f"FP{size}": f"float{size}" for size in (16, 32, 64)},
    "BYTES": "object",
}
"""The protocol's names of dtypes, and numpy's."""

_NAMES = {numpy: name for name, numpy in DATATYPES.items()}
_TAKERS = {name: ArrayTaker({"type": "array", "dtype": numpy}) for name, numpy in DATATYPES.items()}
_MOST_AXES = 32


def datatype_of(dtype: np.dtype[Any] | None) -> str:
    """Return the protocol's name of a dtype: FP64 where none is known, BYTES for what is no number."""
    return "FP64" if dtype is None else _NAMES.get(dtype.name, "BYTES")


def read_tensors(inputs: Any, binary: bytes, text: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a request by their names.

    Args:
        inputs: the request's field "inputs".
        binary: what follows the request's JSON: the tensors that are not in it, one behind the other.
        text: the JSON.

    Raises:
        RequestError: a field is missing or of the wrong form, or data do not fit their shape.
    """
    if type(inputs) is not list or not inputs:
        raise RequestError(400, "The request has no list of inputs", fix='Send {"inputs": [{"name": …}]}')
    found: dict[str, np.ndarray] = {}
    place = 0
    for number, tensor in enumerate(inputs):
        name, shape, datatype = _described(tensor, f"inputs[{number}]")
        if name in found:
            raise RequestError(400, f"There are two inputs {name[:80]!r}")
        size = _field(tensor, "parameters", dict, {}, name).get("binary_data_size")
        if size is None:
            if "data" not in tensor:
                raise RequestError(400, f"Input {name[:80]!r} has neither data nor a binary_data_size")
            array = _TAKERS[datatype].from_json(tensor["data"], text).ravel()
        else:
            if type(size) is not int or not 0 <= size <= len(binary) - place:
                raise RequestError(
                    400,
                    f"Input {name[:80]!r} states {str(size)[:40]} bytes of binary data",
                    why=f"{len(binary) - place} bytes are left",
                )
            array = _from_bytes(binary[place : place + size], datatype, name)
            place += size
        if array.size != math.prod(shape):
            raise RequestError(
                400, f"Input {name[:80]!r} has {array.size} values, and its shape {shape} stands for {math.prod(shape)}"
            )
        try:
            found[name] = array.reshape(shape)
        except (ValueError, OverflowError) as error:  # no values, and axes that are longer than any may be
            raise RequestError(400, f"Input {name[:80]!r} has the shape {str(shape)[:80]}: {error}") from None
    if place != len(binary):
        raise RequestError(400, f"After the last input {len(binary) - place} bytes are left over")
    return found


def _described(tensor: Any, where: str) -> tuple[str, list[int], str]:
    if type(tensor) is not dict:
        raise RequestError(400, f"{where} is not an object")
    name = _field(tensor, "name", str, None, where)
    shape = _field(tensor, "shape", list, None, where)
    datatype = _field(tensor, "datatype", str, None, where)
    if len(shape) > _MOST_AXES or not all(type(length) is int and length >= 0 for length in shape):
        raise RequestError(400, f"{where} has the shape {str(shape)[:80]}", why="A shape is a list of lengths")
    if datatype not in DATATYPES:
        raise RequestError(400, f"{where} has the datatype {datatype[:40]!r}", why=f"Known: {', '.join(DATATYPES)}")
    return name, shape, datatype


def _field(tensor: Mapping[str, Any], field: str, kind: type, default: Any, where: str) -> Any:
    value = tensor.get(field, default)
    if type(value) is not kind:
        raise RequestError(
            400, f"{where[:80]} has no field {field!r} of the right form", why=f"It is {str(value)[:80]}"
        )
    return value


def _from_bytes(data: bytes, datatype: str, name: str) -> np.ndarray:
    if datatype != "BYTES":
        dtype = np.dtype(DATATYPES[datatype]).newbyteorder("<")
        if len(data) % dtype.itemsize:
            raise RequestError(
                400, f"Input {name[:80]!r} has {len(data)} bytes, which is no number of {datatype} values"
            )
        if datatype == "BOOL":
            return np.frombuffer(data, np.uint8).astype(bool)
        # A copy: methods may write into what they are given, and a view of the request is read-only.
        return np.frombuffer(data, dtype).astype(DATATYPES[datatype])
    items, place = [], 0
    while place < len(data):
        if len(data) - place < 4:
            raise RequestError(400, f"Input {name[:80]!r} ends within the length of an item")
        (length,) = struct.unpack_from("<I", data, place)
        place += 4
        if length > len(data) - place:
            raise RequestError(400, f"Input {name[:80]!r} states an item of {length} bytes", why="So many are not left")
        try:
            items.append(data[place : place + length].decode())
        except UnicodeDecodeError as error:
            raise RequestError(400, f"Input {name[:80]!r} has an item that is not UTF-8: {error.reason}") from None
        place += length
    return np.array(items, object)


def _bytes_of(array: np.ndarray) -> bytes:
    if array.dtype.kind != "O":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    items = [item if type(item) is bytes else item.encode() for item in array.ravel().tolist()]
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def write_tensor(name: str, array: np.ndarray, *, binary: bool) -> tuple[dict[str, Any], bytes]:
    """Return an output's description and what follows the JSON; the values are in one of them."""
    told: dict[str, Any] = {"name": name, "datatype": datatype_of(array.dtype), "shape": list(array.shape)}
    if binary:
        data = _bytes_of(array)
        return {**told, "parameters": {"binary_data_size": len(data)}}, data
    return {**told, "data": np.ascontiguousarray(array).ravel()}, b""


def name_outputs(result: Any) -> dict[str, np.ndarray]:
    """Return what a method returned as arrays by name.

    A dict's items are named by its keys, a frame's columns by their names, a tuple's items "output_0" and so on; all else is
    "output".

    Raises:
        RequestError: something in it is no array of numbers, truth values or texts.
    """
    if type(result) is dict and all(type(key) is str for key in result):
        return {key: _as_array(item, key) for key, item in result.items()}
    if type(result) is tuple:
        return {f"output_{place}": _as_array(item, f"output_{place}") for place, item in enumerate(result)}
    if hasattr(result, "columns") and hasattr(result, "dtypes"):
        return {str(name): _as_array(result[name], str(name)) for name in result.columns}
    return {"output": _as_array(result, "output")}


def _as_array(value: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
    except ValueError:
        array = np.empty(1, object)
    if array.dtype.kind in "US":
        array = array.astype(object)
    if array.dtype.kind == "O":
        known = all(type(item) in (str, bytes) for item in array.ravel().tolist())
    else:
        known = array.dtype.name in _NAMES
    if not known:
        raise RequestError(
            406,
            f"The output {name[:80]!r} has no datatype in the Open Inference Protocol",
            why="It knows numbers, truth values and texts",
            fix="Call the method in plain JSON",
        )
    return array


def described_outputs(spec: Mapping[str, Any] | None) -> list[Tensor]:
    """Return which arrays `name_outputs` will make, as far as a spec says."""
    if spec is None:
        return []
    if spec["type"] == "array":
        return [("output", spec.get("shape", [None]), plain_dtype(spec.get("dtype")))]
    if spec["type"] == "series":
        return [("output", [None], plain_dtype(spec.get("dtype")))]
    if spec["type"] == "frame":
        return [(str(column["name"]), [None], plain_dtype(column.get("dtype"))) for column in spec.get("columns", [])]
    parts: Sequence[tuple[str, Any]] = ()
    if spec["type"] == "dict":
        parts = list(spec.get("properties", {}).items())
    elif spec["type"] == "tuple":
        parts = [(f"output_{place}", item) for place, item in enumerate(spec.get("items", []))]
    elif spec["type"] == "list" and spec.get("items", {}).get("type") == "str":
        return [("output", [None], np.dtype(object))]
    return [(name, shape, dtype) for name, item in parts for _, shape, dtype in described_outputs(item)[:1]]

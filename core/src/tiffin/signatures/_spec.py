"""Specs of example values: what a method takes or returns, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.signatures._spec_form import SCALARS, Spec, describe_shape
from tiffin.values import find_kind
from tiffin.values.looks import class_names, dtype_name, is_array, is_frame, is_series, plain_name, shape_of


def infer_spec(value: Any, *, batch_dim: int | None = None) -> Spec:
    """Describe an example value as plain data, which survives YAML and JSON. docs/reference/signatures.md has the form.

    Arrays (anything with a dtype and a shape), pandas and polars frames and series, lists, tuples, dicts, plain Python
    values; anything else is described by its class. A list's items are described together: what they have in common,
    "any" if nothing. Lengths of lists, and numbers of rows of frames and series, are never part of a spec.

    Args:
        value: the example. It is looked at, never changed; elements of arrays are not read.
        batch_dim: the batch axis whose length is free in the spec, in arrays and in the arrays inside tuples and dicts;
            negative counts from the last axis. `None`: arrays are described with their full shape.

    Returns:
        A new mapping with the field "type".

    Raises:
        SignatureError: an array has no axis `batch_dim`.
    """
    # Python's own values are described below, without the kinds, which need numpy.
    found = None if type(value).__module__ == "builtins" else find_kind(value)
    said = None if found is None else found.spec(value, batch_dim)
    if found is not None and said is not None:
        # Of an array the kind says what is made of a request's; what else a kind describes is made by whoever asks.
        return {**said, "kind": found.name} if said.get("type") == "array" else dict(said)
    if is_frame(value):
        columns = zip(value.columns, value.dtypes, strict=True)
        return {
            "type": "frame",
            "columns": [{"name": plain_name(name), "dtype": dtype_name(dtype)} for name, dtype in columns],
        }
    if is_series(value):
        name = plain_name(getattr(value, "name", None))
        named = {} if name is None else {"name": name}
        return {"type": "series", **named, "dtype": dtype_name(value.dtype)}
    if is_array(value):
        return {"type": "array", "dtype": dtype_name(value.dtype), "shape": _free(shape_of(value), batch_dim)}
    for kind, types in SCALARS.items():
        if isinstance(value, types):
            return {"type": kind}
    if isinstance(value, list):
        # Its items are the rows, or parts of rows: none of their axes is the batch's.
        items = join_specs(infer_spec(item) for item in value)
        return {"type": "list"} if items is None else {"type": "list", "items": items}
    if isinstance(value, tuple):
        return {"type": "tuple", "items": [infer_spec(item, batch_dim=batch_dim) for item in value]}
    if isinstance(value, Mapping):
        # JSON turns other keys into text, and so would describe another dict.
        if not all(type(key) is str for key in value):
            return {"type": "dict"}
        return {
            "type": "dict",
            "properties": {key: infer_spec(item, batch_dim=batch_dim) for key, item in value.items()},
        }
    return {"type": "object", "class": class_names(value)[0]}


def _free(shape: list[int | None], batch_dim: int | None) -> list[int | None]:
    if batch_dim is None:
        return shape
    if not -len(shape) <= batch_dim < len(shape):
        raise SignatureError(
            f"An array with the shape {describe_shape(shape)} has no batch axis {batch_dim}",
            why="A batchable method's arrays have one row per item along batch_dim",
            fix="Set batch_dim to the axis of the rows, or batchable=False",
            method="",
        )
    shape[batch_dim] = None
    return shape


def join_specs(specs: Iterable[Spec]) -> Spec | None:
    """Return the narrowest spec that accepts what any of the specs accepts; `None` if there are none."""
    joined: Spec | None = None
    for spec in specs:
        if joined is None:
            joined = spec
        else:
            joined = _join(joined, spec)
    return joined


def _join(one: Spec, other: Spec) -> Spec:
    if one == other:
        return one
    kind = one["type"]
    if {kind, other["type"]} == {"int", "float"}:
        return {"type": "float"}
    if kind != other["type"]:
        return {"type": "any"}
    if kind == "list":
        items = join_specs(spec["items"] for spec in (one, other) if "items" in spec)
        return {"type": "list"} if items is None else {"type": "list", "items": items}
    # What was joined before may already have given up a field.
    mine, theirs = one.get("items"), other.get("items")
    if kind == "tuple" and mine is not None and theirs is not None and len(mine) == len(theirs):
        return {"type": "tuple", "items": [_join(*pair) for pair in zip(mine, theirs, strict=True)]}
    mine, theirs = one.get("properties"), other.get("properties")
    if kind == "dict" and mine is not None and theirs is not None and mine.keys() == theirs.keys():
        return {"type": "dict", "properties": {key: _join(spec, theirs[key]) for key, spec in mine.items()}}
    # Otherwise each field in which they agree stays, and a shape gives up only the lengths that differ.
    joined: Spec = {key: value for key, value in one.items() if other.get(key) == value}
    mine, theirs = one.get("shape"), other.get("shape")
    if kind == "array" and mine is not None and theirs is not None and len(mine) == len(theirs):
        joined["shape"] = [length if length == others else None for length, others in zip(mine, theirs, strict=True)]
    return joined

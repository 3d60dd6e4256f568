"""MLflow's signatures as specs: columns become a frame, a tensor an array, named tensors a dict of arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tiffin.plugins import ForeignDescription

_DTYPES = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
"""MLflow's types of columns that are one dtype in every frame."""
_VAGUE = ("string", "binary", "datetime")
"""Those that libraries and their versions keep in different ways: the column has a name, and no dtype."""
_MAX_TEXT = 1 << 20


def read_schema(signature: Any, described: ForeignDescription) -> dict[str, Any]:
    """Return `input_spec` and `output_spec`, as far as they can be told.

    Args:
        signature: the record's field: `inputs`, `outputs` and `params`, each JSON as text.
        described: what has no spec is noted here, and the signature as it was then stays among its facts.
    """
    if not isinstance(signature, Mapping):
        return {}
    specs: dict[str, Any] = {}
    before = len(described.lost)
    for side, field in (("inputs", "input_spec"), ("outputs", "output_spec")):
        text = signature.get(side)
        if text is None:
            continue
        spec = _spec(_parsed(text))
        if spec is None:
            described.lost.append(f"the {side} of the signature, which no spec describes")
        else:
            specs[field] = spec
            if _has_optional(_parsed(text)):
                described.lost.append(f"that columns of the {side} may be missing")
    if signature.get("params"):
        described.lost.append("the defaults of the signature's params: pass them, or save them as partial kwargs")
    if len(described.lost) > before:
        described.facts["signature"] = described.keep(signature, "signature")
    return specs


def _parsed(text: Any) -> list[Any]:
    try:
        found = json.loads(text) if isinstance(text, str) and len(text) <= _MAX_TEXT else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, list) and all(isinstance(item, dict) for item in found) else []


def _has_optional(items: list[Any]) -> bool:
    return any(item.get("required") is False for item in items)


def _spec(items: list[Any]) -> dict[str, Any] | None:
    if not items:
        return None
    names = [item.get("name") for item in items]
    if all(item.get("type") == "tensor" for item in items):
        arrays = [_array(item.get("tensor-spec")) for item in items]
        if None in arrays:
            return None
        if names == [None]:
            return arrays[0]
        if _are_names(names):
            return {"type": "dict", "properties": dict(zip(names, arrays, strict=True))}
        return None
    if not _are_names(names):
        return None  # a list, a series, a column without a name: it does not say which
    columns = [_column(item) for item in items]
    return None if None in columns else {"type": "frame", "columns": columns}


def _are_names(names: list[Any]) -> bool:
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _array(tensor: Any) -> dict[str, Any] | None:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("dtype"), str):
        return None
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int and length >= -1 for length in shape):
        return None
    spec: dict[str, Any] = {"type": "array", "shape": [None if length == -1 else length for length in shape]}
    # Of texts and objects MLflow names no width, and arrays have one.
    return spec if tensor["dtype"] in ("str", "object", "bytes") else {**spec, "dtype": tensor["dtype"]}


def _column(item: dict[str, Any]) -> dict[str, Any] | None:
    kind = item.get("type")
    if kind in _VAGUE:
        return {"name": item["name"]}
    return {"name": item["name"], "dtype": _DTYPES[kind]} if isinstance(kind, str) and kind in _DTYPES else None

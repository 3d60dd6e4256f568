"""The form of specs: what fields each type of spec has, how users' spellings become plain data, how specs read aloud.

A spec is a mapping with the field `type`. Names come from JSON Schema where values nest (`type`, `items`,
`properties`), and from schemas of tables and tensors where they are arrays and tables (`dtype`, `shape`,
`columns`, `name`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.signatures._text import did_you_mean, of_method
from tiffin.values.looks import plain_dtype, plain_name

Spec = dict[str, Any]
"""Plain data that describes a value; survives YAML and JSON."""

SCALARS: dict[str, type | tuple[type, ...]] = {
    "bool": bool,
    "int": int,
    "float": (float, int),  # a whole number is accepted where a float is, as in Python's own typing
    "str": str,
    "bytes": (bytes, bytearray),
    "none": type(None),
}
"""Types of spec without further fields, and the Python types of the values that they describe."""

_FIELDS = {
    **dict.fromkeys(SCALARS, ()),
    "any": (),
    "array": ("dtype", "shape", "kind"),
    "frame": ("columns",),
    "series": ("name", "dtype"),
    "list": ("items",),
    "tuple": ("items",),
    "dict": ("properties",),
    "object": ("class",),
}
_COLUMN_FIELDS = ("name", "dtype")


def plain_spec(spec: Any, *, where: str = "spec", method: str = "") -> Spec:
    """Return a spec that a user wrote as plain data, with every name in its one canonical spelling.

    Every field but `type` may be left out: what is not said is not checked. A length of -1 in a shape means `None`, any
    length; a dtype may be anything that numpy takes for one, or another library's own name of it. A mapping from names to
    specs is a spec of several arguments.

    Args:
        spec: the mapping to read; it is not changed.
        where: its place, for errors ("input_spec").
        method: the method that it belongs to, for errors.

    Raises:
        SignatureError: it is not a spec: an unknown type or field, or a field of the wrong form.
    """
    if isinstance(spec, Mapping) and spec.get("type") == "arguments":
        _only_known(spec, ("type", "properties"), where, method)
        spec = spec.get("properties", {})
    elif not (isinstance(spec, Mapping) and spec and all(isinstance(item, Mapping) for item in spec.values())):
        return _plain_value(spec, where, method)
    return {"type": "arguments", "properties": _plain_arguments(spec, where, method)}


def is_default(value: Any) -> bool:
    """Tell whether a spec may hold a value as an argument's default: a plain one, which JSON has."""
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def _plain_arguments(value: Any, where: str, method: str) -> dict[str, Spec]:
    defaults = {}
    if isinstance(value, Mapping):
        named = {name: spec for name, spec in value.items() if isinstance(spec, Mapping) and "default" in spec}
        defaults = {name: spec["default"] for name, spec in named.items()}
        bare = {name: {key: item for key, item in spec.items() if key != "default"} for name, spec in named.items()}
        value = {**value, **bare}
    plain = _plain_properties(value, where, method)
    for name, default in defaults.items():
        if not is_default(default):
            fix = "Give None, a truth value, a finite number or a text, or leave it out"
            raise _wrong_field(f"{where}[{name!r}].default", default, fix, method)
        plain[name]["default"] = default
    return plain


def _plain_value(spec: Any, where: str, method: str) -> Spec:
    kind = spec.get("type") if isinstance(spec, Mapping) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise SignatureError(
            f"The {where}{of_method(method)} is not a spec: {spec!r}",
            why="A spec is a mapping whose field 'type' says what it describes",
            fix=did_you_mean(str(kind), _FIELDS, otherwise="Types are") if kind else "Write, e.g., {'type': 'float'}",
            method=method,
        )
    _only_known(spec, ("type", *_FIELDS[kind]), where, method)
    plain: Spec = {"type": kind}
    for field in _FIELDS[kind]:
        if field in spec:
            plain[field] = _plain_field(kind, field, spec[field], f"{where}.{field}", method)
    return plain


def _plain_field(kind: str, field: str, value: Any, where: str, method: str) -> Any:
    if field == "dtype":
        return plain_dtype(value)
    if field == "name":
        return plain_name(_as_name(value))
    if field == "shape":
        return _plain_shape(value, where, method)
    if field == "columns":
        return [_plain_column(column, f"{where}[{i}]", method) for i, column in enumerate(_list(value, where, method))]
    if field == "properties":
        return _plain_properties(value, where, method)
    if field == "items" and kind == "tuple":
        return [_plain_value(item, f"{where}[{i}]", method) for i, item in enumerate(_list(value, where, method))]
    if field == "items":
        return _plain_value(value, where, method)
    if not isinstance(value, str):
        raise _wrong_field(where, value, "Give the name of a kind of values, or the dotted name of a class", method)
    return value


def _plain_shape(value: Any, where: str, method: str) -> list[int | None]:
    lengths: list[int | None] = []
    for length in _list(value, where, method):
        if length is None or length == -1:
            lengths.append(None)
        elif isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise _wrong_field(where, value, "Give whole numbers, and None for an axis of any length", method)
        else:
            lengths.append(length)
    return lengths


def _plain_column(column: Any, where: str, method: str) -> dict[str, Any]:
    if not isinstance(column, Mapping) or "name" not in column:
        raise _wrong_field(where, column, "Write a column as {'name': 'age', 'dtype': 'int64'}", method)
    _only_known(column, _COLUMN_FIELDS, where, method)
    plain = {"name": plain_name(_as_name(column["name"]))}
    if "dtype" in column:
        plain["dtype"] = plain_dtype(column["dtype"])
    return plain


def _plain_properties(value: Any, where: str, method: str) -> dict[str, Spec]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong_field(where, value, "Give a mapping from the dict's keys, which are text, to specs", method)
    return {key: _plain_value(item, f"{where}[{key!r}]", method) for key, item in value.items()}


def _as_name(value: Any) -> Any:
    # YAML and JSON have no tuples: the names of a frame with several header rows come back as lists.
    return tuple(_as_name(part) for part in value) if isinstance(value, list) else value


def _list(value: Any, where: str, method: str) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    raise _wrong_field(where, value, "Give a list", method)


def _only_known(spec: Mapping[Any, Any], known: tuple[str, ...], where: str, method: str) -> None:
    for field in spec:
        if field not in known:
            raise SignatureError(
                f"The {where}{of_method(method)} has an unknown field {field!r}: {dict(spec)!r}",
                fix=did_you_mean(str(field), known, otherwise="Its fields are"),
                method=method,
            )


def _wrong_field(where: str, value: Any, fix: str, method: str) -> SignatureError:
    return SignatureError(f"The {where}{of_method(method)} has the wrong form: {value!r}", fix=fix, method=method)


def describe_spec(spec: Spec) -> str:
    """Return a plain spec in a few words, for errors: "array of float64, shape (any, 4)"."""
    kind: str = spec["type"]
    if kind == "array":
        words = f"array of {spec['dtype']}" if "dtype" in spec else "array"
        return words + (f", shape {describe_shape(spec['shape'])}" if "shape" in spec else "")
    if kind == "frame" and "columns" in spec:
        return f"frame with {len(spec['columns'])} columns"
    if kind == "series":
        return f"series of {spec['dtype']}" if "dtype" in spec else "series"
    if kind == "list" and "items" in spec:
        return f"list of {describe_spec(spec['items'])}"
    if kind == "tuple" and "items" in spec:
        return f"tuple of {len(spec['items'])}"
    if kind == "dict" and "properties" in spec:
        return f"dict with the keys {', '.join(map(repr, spec['properties']))}"
    if kind == "arguments":
        return ", ".join(
            f"{name}: {describe_spec(item)}" + (f" = {item['default']!r}" if "default" in item else "")
            for name, item in spec["properties"].items()
        )
    if kind == "object":
        return f"object of class {spec['class']}" if "class" in spec else "object"
    return "anything" if kind == "any" else kind


def describe_shape(shape: list[int | None]) -> str:
    """Return a shape as Python writes it, with "any" for an axis of any length."""
    lengths = ["any" if length is None else str(length) for length in shape]
    return f"({lengths[0]},)" if len(lengths) == 1 else f"({', '.join(lengths)})"

"""Values of JSON as annotations have them: checked, and made into the classes that they name."""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tiffin_serve._errors import RequestError

_SCALARS: Mapping[Any, tuple[tuple[type, ...], dict[str, Any]]] = {
    bool: ((bool,), {"type": "boolean"}),
    int: ((int,), {"type": "integer"}),
    float: ((float, int), {"type": "number"}),
    str: ((str,), {"type": "string"}),
    type(None): ((type(None),), {"type": "null"}),
}
_LISTS = (list, Sequence)
_DICTS = (dict, Mapping)
_UNIONS = (typing.Union, types.UnionType)
_MOST_ERRORS = 5


def structured(hint: Any, value: Any, where: str = "inputs") -> Any:
    """Return a value as an annotation has it.

    Numbers, texts and truth values are checked, not converted, but whole numbers become floats. A class of pydantic makes its
    own of a value; a dataclass, or one of attrs, is made of an object with its fields. What no rule is for is as it is.

    Args:
        hint: the annotation.
        value: as JSON has it.
        where: its place, for errors.

    Raises:
        RequestError: it is not what the annotation says.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return structured(arguments[0], value, where)
    if hint in _SCALARS:
        allowed = _SCALARS[hint][0]
        if type(value) not in allowed:
            _refuse(hint, value, where)
        return float(value) if hint is float else value
    if origin in _UNIONS:
        return _one_of(hint, arguments, value, where)
    if origin is typing.Literal:
        if not any(value == one and type(value) is type(one) for one in arguments):
            _refuse(hint, value, where)
        return value
    if origin in _LISTS or hint in _LISTS:
        if type(value) is not list:
            _refuse(hint, value, where)
        item = arguments[0] if arguments else Any
        return [structured(item, one, f"{where}[{number}]") for number, one in enumerate(value)]
    if origin in _DICTS or hint in _DICTS:
        if type(value) is not dict:
            _refuse(hint, value, where)
        item = arguments[1] if arguments else Any
        return {key: structured(item, one, f"{where}.{key[:40]}") for key, one in value.items()}
    if not isinstance(hint, type):
        return value
    return _made(hint, value, where)


def _one_of(hint: Any, choices: tuple[Any, ...], value: Any, where: str) -> Any:
    told = []
    for one in choices:
        try:
            return structured(one, value, where)
        except RequestError as error:
            told.append(error)
    if len(told) == 2 and type(None) in choices:
        raise told[choices.index(type(None)) ^ 1]
    return _refuse(hint, value, where)


def _made(hint: type, value: Any, where: str) -> Any:
    """Return an instance of a class that knows how to be made of JSON, or whose fields are known."""
    try:
        if hasattr(hint, "model_validate"):
            return hint.model_validate(value)
        if issubclass(hint, enum.Enum):
            return hint(value)
        if not _has_fields(hint):
            return value
        return hint(**_fields(hint, value, where))
    except RequestError:
        raise
    except (ValueError, TypeError) as error:
        raise RequestError(422, f"{where}: {_told(error)}") from None


def _fields(hint: type, value: Any, where: str) -> dict[str, Any]:
    if type(value) is not dict:
        _refuse(hint, value, where)
    parameters, hints = inspect.signature(hint).parameters, _hints(hint)
    unknown = [key for key in value if key not in parameters]
    if unknown:
        raise RequestError(422, f"{where}: {hint.__name__} has no field {unknown[0][:80]!r}")
    missing = [name for name, one in parameters.items() if one.default is one.empty and name not in value]
    if missing:
        raise RequestError(422, f"{where}: {hint.__name__} lacks {', '.join(map(repr, missing))[:300]}")
    return {key: structured(hints.get(key, Any), one, f"{where}.{key}") for key, one in value.items()}


def _has_fields(hint: type) -> bool:
    return hasattr(hint, "__attrs_attrs__") or hasattr(hint, "__dataclass_fields__")


def _hints(hint: type) -> dict[str, Any]:
    """Return the annotations of a class's fields, by the names that its arguments have."""
    return {name.lstrip("_"): one for name, one in typing.get_type_hints(hint).items()}


def _told(error: Exception) -> str:
    """Return what a class says of a value: of pydantic's errors the places and the words, without the value."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)[:300]
    listed = errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg']}" for one in listed[:_MOST_ERRORS]]
    return "; ".join(lines)[:500]


def _refuse(hint: Any, value: Any, where: str) -> NoReturn:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    raise RequestError(422, f"{where}: expected {_words(hint)}, found {names.get(type(value), 'a number')}")


def _words(hint: Any) -> str:
    if hint is type(None):
        return "null"
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def schema_of_hint(hint: Any, within: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return an annotation as JSON Schema; empty, which is anything, where no rule is for it.

    Args:
        hint: the annotation.
        within: classes whose fields are being described, which are not described again.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return schema_of_hint(arguments[0], within)
    if hint in _SCALARS:
        return dict(_SCALARS[hint][1])
    if origin in _UNIONS:
        return {"anyOf": [schema_of_hint(one, within) for one in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in _LISTS or hint in _LISTS:
        return {"type": "array", **({"items": schema_of_hint(arguments[0], within)} if arguments else {})}
    if origin in _DICTS or hint in _DICTS:
        more = {"additionalProperties": schema_of_hint(arguments[1], within)} if arguments else {}
        return {"type": "object", **more}
    if not isinstance(hint, type) or hint in within:
        return {}
    if hasattr(hint, "model_json_schema"):
        return _inlined(hint.model_json_schema())
    if issubclass(hint, enum.Enum):
        return {"enum": [one.value for one in hint]}
    if not _has_fields(hint):
        return {}
    parameters, hints = inspect.signature(hint).parameters, _hints(hint)
    return {
        "type": "object",
        "properties": {name: schema_of_hint(hints.get(name, Any), (*within, hint)) for name in parameters},
        "required": [name for name, one in parameters.items() if one.default is one.empty],
        "additionalProperties": False,
    }


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of pydantic's without references, which would point into another document.

    What refers to itself is anything there.
    """
    named = schema.pop("$defs", {})

    def inline(part: Any, within: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [inline(one, within) for one in part]
        if not isinstance(part, dict):
            return part
        reference = part.get("$ref")
        if isinstance(reference, str):
            name = reference.rpartition("/")[2]
            return {} if name in within else inline(named.get(name, {}), (*within, name))
        return {key: inline(one, within) for key, one in part.items()}

    made: dict[str, Any] = inline(schema, ())
    return made

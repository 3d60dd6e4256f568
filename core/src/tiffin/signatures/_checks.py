"""Signatures that users give: brought into one form, and compared with the model's methods."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

import attrs

from tiffin.exceptions import SignatureError
from tiffin.signatures._methods import check_argument, collecting_argument, find_method
from tiffin.signatures._signature import ModelSignature
from tiffin.signatures._spec_form import Spec, describe_shape, plain_spec

TAKEN = frozenset({"default_method", "engine", "lanes", "methods", "models", "name", "scheduled", "service"})
"""What a runner has that is no method, so that callers would not reach a model's method of that name."""

SignatureLike = ModelSignature | Mapping[str, Any] | None
"""What stands for one signature."""


def normalise_signatures(
    signatures: Mapping[str, SignatureLike] | None, defaults: Mapping[str, SignatureLike] | None = None
) -> dict[str, ModelSignature]:
    """Return the signatures of a model by method name, specs and all in their plain form.

    Args:
        signatures: what the user gave, e.g. `{"predict": {"batchable": True}}`. An empty mapping means no methods.
        defaults: the adapter's, used only when `signatures` is `None`.

    Raises:
        SignatureError: something is not a signature, a name cannot be a method's, a spec is not a spec, or gives the
            batch axis of a batchable method a fixed length.
    """
    given = signatures if signatures is not None else defaults if defaults is not None else {}
    if not isinstance(given, Mapping):
        raise SignatureError(
            f"signatures={given!r} is not a mapping",
            why=f"It is a {type(given).__name__}",
            fix="Give a mapping from method name to signature, for example {'predict': {'batchable': True}}",
            method="",
        )
    return {_method_name(name): _normalise(value, name) for name, value in given.items()}


def _method_name(name: Any) -> str:
    if name in TAKEN:
        raise SignatureError(
            f"A method of a stored model cannot be called {name!r}",
            why=f"runner.{name} is the runner's own",
            fix="Save an object whose method has another name, for example one of a class of yours that calls it",
            method=str(name),
        )
    if isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name):
        return name
    raise SignatureError(
        f"{name!r} cannot be the name of a method",
        why="Callers reach it as runner.<name>",
        fix="Give the name of one of the model's methods, or '__call__'",
        method=str(name),
    )


def _normalise(value: SignatureLike, method: str) -> ModelSignature:
    signature = ModelSignature.from_any(value, method=method)
    specs: dict[str, Any] = {
        field: plain_spec(spec, where=field, method=method)
        for field, spec in (("input_spec", signature.input_spec), ("output_spec", signature.output_spec))
        if spec is not None
    }
    if specs.get("output_spec", {}).get("type") == "arguments":
        raise SignatureError(
            f"The output_spec of method {method!r} is one of several arguments",
            why="A method returns one value",
            fix="Write {'type': 'dict', 'properties': …} if that is a dict",
            method=method,
        )
    if signature.batchable:
        given = signature.batch_dim[0]
        if specs.get("input_spec", {}).get("type") == "arguments":
            for name, spec in specs["input_spec"]["properties"].items():
                axis = signature.input_batch_dim(name)
                if axis is not None:
                    _check_free(spec, axis, f"input_spec[{name!r}]", method)
        # Another spec describes the first argument; which name that has, only the method itself can tell.
        elif "input_spec" in specs and not isinstance(given, dict):
            _check_free(specs["input_spec"], given, "input_spec", method)
        if "output_spec" in specs:
            _check_free(specs["output_spec"], signature.output_batch_dim, "output_spec", method)
    return attrs.evolve(signature, **specs) if specs else signature


def _check_free(spec: Spec, axis: int, where: str, method: str) -> None:
    if spec["type"] == "tuple":
        for i, item in enumerate(spec.get("items", ())):
            _check_free(item, axis, f"{where}.items[{i}]", method)
    if spec["type"] == "dict":
        for key, item in spec.get("properties", {}).items():
            _check_free(item, axis, f"{where}.properties[{key!r}]", method)
    if "shape" not in spec:
        return
    shape = spec["shape"]
    if not -len(shape) <= axis < len(shape) or shape[axis] is not None:
        raise SignatureError(
            f"The {where} of method {method!r} has the shape {describe_shape(shape)}, but the method is batchable",
            why=f"The length of batch axis {axis} differs from batch to batch",
            fix=f"Write None for the length of axis {axis}, or set batch_dim or batchable otherwise",
            method=method,
        )


def check_signatures(obj: Any, signatures: Mapping[str, ModelSignature]) -> None:
    """Check that `obj` has the methods of its signatures, and these the arguments that `batch_dim` and specs name.

    Args:
        obj: the model.
        signatures: as `normalise_signatures` returns them. "__call__" means that the model is callable.

    Raises:
        SignatureError: a method does not exist or is not callable, or does not take an argument; the text names what
            looks alike.
    """
    for name, signature in signatures.items():
        function = find_method(obj, name)
        given = signature.batch_dim[0]
        for argument in given if isinstance(given, dict) else ():
            check_argument(function, argument, method=name, by_keyword=False, error=SignatureError)
        spec = signature.input_spec
        for argument in spec["properties"] if isinstance(spec, Mapping) and spec.get("type") == "arguments" else ():
            if argument != collecting_argument(function):
                check_argument(function, argument, method=name, by_keyword=False, error=SignatureError)

"""Signatures that users give: brought into one form, and compared with the model's methods."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

import attrs

from tiffin.exceptions import SignatureError
from tiffin.signatures._methods import check_argument, find_method
from tiffin.signatures._signature import ModelSignature
from tiffin.signatures._spec_form import plain_spec

SignatureLike = ModelSignature | Mapping[str, Any] | None
"""What stands for one signature."""


def normalise_signatures(
    signatures: Mapping[str, SignatureLike] | None, defaults: Mapping[str, SignatureLike] | None = None
) -> dict[str, ModelSignature]:
    """Return the signatures of a model by method name, specs and all in their plain form.

    Args:
        signatures: What the user gave, e.g. `{"predict": {"batchable": True}}`. An empty mapping means no methods.
        defaults: The adapter's, used only when `signatures` is `None`.

    Raises:
        SignatureError: Something is not a signature, a name cannot be a method's, or a spec is not a spec.
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
    return attrs.evolve(signature, **specs) if specs else signature


def check_signatures(obj: Any, signatures: Mapping[str, ModelSignature]) -> None:
    """Check that `obj` has the methods of its signatures, and these the arguments that `batch_dim` names.

    Args:
        obj: The model.
        signatures: As `normalise_signatures` returns them. "__call__" means that the model is callable.

    Raises:
        SignatureError: A method does not exist or is not callable, or does not take an argument; the text names what
            looks alike.
    """
    for name, signature in signatures.items():
        function = find_method(obj, name)
        given = signature.batch_dim[0]
        for argument in given if isinstance(given, dict) else ():
            check_argument(function, argument, method=name, by_keyword=False, error=SignatureError)

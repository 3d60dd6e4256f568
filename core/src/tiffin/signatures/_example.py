"""Specs from one real call: the method is run on an example, and what goes in and comes out is described or checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tiffin.exceptions import SignatureError
from tiffin.signatures._methods import first_argument, parameters_of
from tiffin.signatures._rows import count_rows
from tiffin.signatures._signature import ModelSignature
from tiffin.signatures._spec import infer_spec
from tiffin.signatures._spec_check import check_spec
from tiffin.signatures._spec_form import Spec, is_default, plain_spec
from tiffin.values import find_kind


class Arguments:
    """The arguments of one call, for an input example of more than one: `tiffin.Arguments(ids, mask=mask)`."""

    __module__ = "tiffin"  # the public name, wherever the file is

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return f"Arguments({', '.join([*map(repr, self.args), *(f'{k}={v!r}' for k, v in self.kwargs.items())])})"


def infer_signature_specs(
    signature: ModelSignature, function: Callable[..., Any], input_example: Any, *, method: str
) -> ModelSignature:
    """Call `function` on the example once and return the signature with both specs filled in.

    A spec that the signature already has is checked against the example, or the real output, and stays. The example is
    one positional argument, a tuple or dict too; `Arguments` stands for several, and its spec has them by name, with their
    plain defaults. A coroutine is awaited in a thread of its own; what streams (a generator) is not read, has no output
    spec, and is not counted.

    Args:
        signature: what is known so far; says whether and along which axes the method is batchable.
        function: the method, bound to the model.
        input_example: its argument, or `Arguments`. If the method changes it in place, so it stays; the spec is of what it
            was.
        method: the method's name, for errors.

    Returns:
        A new signature. For a batchable one, the batch axis of arrays is free (`None`) in both specs.

    Raises:
        SignatureError: the method fails on the example (the cause is chained), a given spec is contradicted, arguments differ
            in their numbers of rows, or the method is batchable and the output does not have as many rows as the input.
    """
    given = signature.input_spec
    by_name = isinstance(given, Mapping) and plain_spec(given, where="input_spec", method=method)["type"] == "arguments"
    several = isinstance(input_example, Arguments)
    call: Arguments = input_example if several else Arguments(input_example)
    output_axis = signature.output_batch_dim if signature.batchable else None
    if several or by_name:
        named = _by_name(call, function, method)
        axes = {name: _named_axis(signature, name, value) for name, value in named.items()}
        rows = _common_rows(named, axes, method)
        input_spec = _named_spec(given, named, axes, by_name, function, method)
    else:
        input_axis = _input_axis(signature, function)
        rows = None if input_axis is None else count_rows(input_example, input_axis, where="input", method=method)
        input_spec = _spec(given, input_example, input_axis, "input", method)
    output = call_method(function, call, method)
    if inspect.isgenerator(output) or inspect.isasyncgen(output):
        return attrs.evolve(signature, input_spec=input_spec)
    if rows is not None and output_axis is not None:
        _check_rows(rows, output, output_axis, method)
    output_spec = _spec(signature.output_spec, output, output_axis, "output", method)
    return attrs.evolve(signature, input_spec=input_spec, output_spec=output_spec)


def _by_name(call: Arguments, function: Callable[..., Any], method: str) -> dict[str, Any]:
    """Return the arguments of a call by the names that the method gives them."""
    try:
        bound = inspect.signature(function).bind_partial(*call.args, **call.kwargs)
    except ValueError as error:  # some builtins do not tell
        if call.args:
            raise SignatureError(
                f"The arguments of the input example have no names that method {method!r} tells",
                why=str(error),
                fix="Give them by keyword",
                method=method,
            ) from error
        return dict(call.kwargs)
    except TypeError as error:
        raise SignatureError(
            f"Method {method!r} does not take the arguments of the input example: {error}",
            fix="Give an example that it takes, or leave input_example out",
            method=method,
        ) from error
    parameters = bound.signature.parameters
    named: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        named |= value if parameters[name].kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return named


def _named_axis(signature: ModelSignature, name: str, value: Any) -> int | None:
    # As batching has it: one axis for all is that of all which have rows; a name is taken at its word.
    if not signature.batchable or (not isinstance(signature.batch_dim[0], dict) and find_kind(value) is None):
        return None
    return signature.input_batch_dim(name)


def _common_rows(named: Mapping[str, Any], axes: Mapping[str, int | None], method: str) -> int | None:
    rows = {
        name: count_rows(named[name], axis, where=f"input[{name!r}]", method=method)
        for name, axis in axes.items()
        if axis is not None
    }
    if len(set(rows.values())) > 1:
        raise SignatureError(
            f"The arguments of the input example of method {method!r} differ in their numbers of rows",
            why="Found " + ", ".join(f"{count} in {name}" for name, count in rows.items()),
            fix="Say which are batched: batch_dim={'name': axis, 'other': None}",
            method=method,
        )
    return next(iter(rows.values()), None)


def _named_spec(
    given: Any,
    named: Mapping[str, Any],
    axes: Mapping[str, int | None],
    by_name: bool,
    function: Callable[..., Any],
    method: str,
) -> Spec:
    if given is None:
        properties = {name: infer_spec(value, batch_dim=axes[name]) for name, value in named.items()}
        for name, parameter in (parameters_of(function) or {}).items():
            if name in properties and is_default(parameter.default):
                properties[name]["default"] = parameter.default
        return {"type": "arguments", "properties": properties}
    # A spec without names is of the first argument.
    check_spec(given, named if by_name else next(iter(named.values()), None), where="input", method=method)
    return plain_spec(given, where="input_spec", method=method)


def _input_axis(signature: ModelSignature, function: Callable[..., Any]) -> int | None:
    if not signature.batchable:
        return None
    given = signature.batch_dim[0]
    if not isinstance(given, dict):
        return given
    name = first_argument(function)
    return None if name is None else given.get(name)


def _spec(given: Any, value: Any, axis: int | None, where: str, method: str) -> Spec:
    if given is None:
        return infer_spec(value, batch_dim=axis)
    check_spec(given, value, where=where, method=method)
    return plain_spec(given, where=f"{where}_spec", method=method)


def call_method(function: Callable[..., Any], call: Arguments, method: str) -> Any:
    """Call a method on an example; a coroutine is awaited, in a thread of its own.

    Args:
        function: the method, bound to the model.
        call: its arguments.
        method: the method's name, for errors.

    Raises:
        SignatureError: it fails; the cause is chained.
    """
    try:
        output = function(*call.args, **call.kwargs)
        if inspect.iscoroutine(output):
            import asyncio  # asyncio is slow to import, and few methods are coroutines
            from concurrent.futures import ThreadPoolExecutor

            # A thread of its own: the caller may already be inside an event loop, as in a notebook.
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(asyncio.run, output).result()
        return output
    except Exception as cause:
        raise SignatureError(
            f"Method {method!r} fails on the input example: {type(cause).__name__}: {cause}",
            why=f"It was called with {_described(call)}, the example",
            fix="Give an example that the method takes, or leave input_example out",
            method=method,
        ) from cause


def _described(call: Arguments) -> str:
    kinds = [type(value).__name__ for value in call.args] + [f"{k}: {type(v).__name__}" for k, v in call.kwargs.items()]
    if len(kinds) == len(call.args) == 1:
        return f"one positional argument of type {kinds[0]}"
    return f"the arguments ({', '.join(kinds)})"


def _check_rows(rows: int, output: Any, axis: int, method: str) -> None:
    found = count_rows(output, axis, where="output", method=method)
    if found != rows:
        raise SignatureError(
            f"Method {method!r} is batchable, but answers an input of {rows} rows with {found} rows",
            why="The answers to merged calls are cut apart by rows, so each row needs exactly one",
            fix="Set batchable=False if it does not work row by row, or batch_dim=(input axis, output axis)",
            method=method,
        )

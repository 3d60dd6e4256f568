"""Specs from one real call: the method is run on an example, and what goes in and comes out is described or checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import attrs

from tiffin.exceptions import SignatureError
from tiffin.signatures._methods import first_argument
from tiffin.signatures._rows import count_rows
from tiffin.signatures._signature import ModelSignature
from tiffin.signatures._spec import infer_spec
from tiffin.signatures._spec_check import check_spec
from tiffin.signatures._spec_form import Spec, plain_spec


def infer_signature_specs(
    signature: ModelSignature, function: Callable[..., Any], input_example: Any, *, method: str
) -> ModelSignature:
    """Run `function(input_example)` once and return the signature with both specs filled in.

    A spec that the signature already has is checked against the example, or the real output, and stays. The example is
    always one positional argument, a tuple or dict too. A coroutine is awaited in a thread of its own; what streams (a
    generator) is not read, has no output spec, and is not counted.

    Args:
        signature: What is known so far; says whether and along which axes the method is batchable.
        function: The method, bound to the model.
        input_example: Its argument. If the method changes it in place, so it stays; the spec is of what it was.
        method: The method's name, for errors.

    Returns:
        A new signature. For a batchable one, the batch axis of arrays is free (`None`) in both specs.

    Raises:
        SignatureError: The method fails on the example (the cause is chained), a given spec is contradicted, or the
            method is batchable and the output does not have as many rows as the input.
    """
    input_axis = _input_axis(signature, function)
    output_axis = signature.output_batch_dim if signature.batchable else None
    rows = None if input_axis is None else count_rows(input_example, input_axis, where="input", method=method)
    input_spec = _spec(signature.input_spec, input_example, input_axis, "input", method)
    output = _run(function, input_example, method)
    if inspect.isgenerator(output) or inspect.isasyncgen(output):
        return attrs.evolve(signature, input_spec=input_spec)
    if rows is not None and output_axis is not None:
        _check_rows(rows, output, output_axis, method)
    output_spec = _spec(signature.output_spec, output, output_axis, "output", method)
    return attrs.evolve(signature, input_spec=input_spec, output_spec=output_spec)


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


def _run(function: Callable[..., Any], example: Any, method: str) -> Any:
    try:
        output = function(example)
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
            why=f"It was called with one positional argument of type {type(example).__name__}, the example",
            fix="Give an example that the method takes, or leave input_example out",
            method=method,
        ) from cause


def _check_rows(rows: int, output: Any, axis: int, method: str) -> None:
    found = count_rows(output, axis, where="output", method=method)
    if found != rows:
        raise SignatureError(
            f"Method {method!r} is batchable, but answers an input of {rows} rows with {found} rows",
            why="The answers to merged calls are cut apart by rows, so each row needs exactly one",
            fix="Set batchable=False if it does not work row by row, or batch_dim=(input axis, output axis)",
            method=method,
        )

"""Recording: methods are run on inputs, and what went in and came out is kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tiffin.examples._example_file import Example, Recording
from tiffin.examples._packing import pack, unpack
from tiffin.exceptions import ExamplesError, UnsendableError
from tiffin.signatures import Arguments, call_method


class Examples:
    """Several inputs to keep as examples: `tiffin.Examples(first, second)`. Each is as an `input_example`.

    Args:
        inputs: one or more; `tiffin.Arguments` for several arguments.

    Raises:
        ExamplesError: there is none.
    """

    __module__ = "tiffin"  # the public name, wherever the file is

    def __init__(self, *inputs: Any) -> None:
        if not inputs:
            raise ExamplesError("Examples() holds no input", fix="Give at least one: tiffin.Examples(x)", path="")
        self.inputs = inputs

    def __repr__(self) -> str:
        return f"Examples({', '.join(map(repr, self.inputs))})"


def record(
    functions: Mapping[str, Callable[..., Any]], inputs: tuple[Any, ...], made: Mapping[str, str]
) -> tuple[Recording, list[str]]:
    """Run each method on each input once; return what is kept, and phrases for what is not.

    The inputs themselves are not changed, whatever a method does with its arguments: it is run on what was kept of them.

    Args:
        functions: method → the method, bound to the model.
        inputs: the inputs.
        made: under which circumstances.

    Raises:
        ExamplesError: an input has no plain form, or no answer of any method has.
        SignatureError: a method fails on an input; the cause is chained.
    """
    examples: list[Example] = []
    lost: list[str] = []
    device = ""
    for number, value in enumerate(inputs):
        call = value if isinstance(value, Arguments) else Arguments(value)
        try:
            packed = pack([list(call.args), call.kwargs], f"examples[{number}]")
        except UnsendableError as error:
            raise ExamplesError(
                f"An example cannot be kept: {error.type_name} has no form in plain values and arrays",
                why=f"It was found at {error.where}; nothing is pickled in examples, so that a stranger's can be read",
                fix="Give arrays, frames, numbers, texts, lists and dicts of these; or leave examples out",
                path="",
            ) from error
        for method, function in functions.items():
            args, kwargs = unpack(packed)
            answer = call_method(function, Arguments(*args, **kwargs), method)
            if inspect.isgenerator(answer) or inspect.isasyncgen(answer):
                lost.append(f"the answer of method {method!r} to an example, which comes in parts")
                continue
            device = device or device_of(answer)
            try:
                examples.append(Example(method, packed, pack(answer, f"{method}[{number}]")))
            except UnsendableError as error:
                lost.append(f"the answer of method {method!r} to an example: {error.type_name} has no plain form")
    if not examples:
        raise ExamplesError(
            "No example can be kept: " + ("; ".join(dict.fromkeys(lost)) or "the model has no signatures"),
            why="Examples are inputs with what the methods in the signatures answer",
            fix="Name other methods in signatures=, or give input_example= in place of examples=",
            path="",
        )
    return Recording(examples, {**made, **({"device": device} if device else {})}), list(dict.fromkeys(lost))


def device_of(answer: Any) -> str:
    """Return the device that an answer, or the first of its items, says that it is on; empty where none says."""
    for _ in range(4):
        if isinstance(answer, (list, tuple)) and answer:
            answer = answer[0]
        elif isinstance(answer, Mapping) and answer:
            answer = next(iter(answer.values()))
    device = getattr(answer, "device", "")
    return "" if callable(device) else str(device)

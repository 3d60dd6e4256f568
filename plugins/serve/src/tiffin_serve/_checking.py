"""Whether a version answers as it did when it was saved: its examples are replayed before anybody calls it."""

from __future__ import annotations

from collections.abc import Container

from tiffin import Model, Runner
from tiffin.examples import DIFFERENT, compare, pack, read_file, read_tolerances, unpack, unpack_inert
from tiffin.exceptions import PredictionsDifferError
from tiffin.models import default_store


async def check_answers(model: Model, runner: Runner, methods: Container[str]) -> int:
    """Have a started runner answer the examples that its version was saved with, if there are any.

    Args:
        model: the version.
        runner: its runner.
        methods: names of those that answer once; examples of others are passed over.

    Returns:
        How many were answered.

    Raises:
        PredictionsDifferError: an answer is not near the one of then.
        RunnerError: a call was not answered.
    """
    data = default_store().examples(model.info.content_digest)
    if data is None:
        return 0
    examples = read_file(data, f"The file of examples of model '{model.tag}'").examples
    tolerances = read_tolerances(None)
    for example in examples:
        if example.method not in methods:
            continue
        args, kwargs = unpack(example.arguments)
        answer = await runner.methods[example.method].async_run(*args, **kwargs)
        found = compare(unpack_inert(example.answer), unpack_inert(pack(answer, example.method)), tolerances)
        if found.verdict == DIFFERENT:
            raise PredictionsDifferError(
                f"Model '{model.tag}' answers an example otherwise than when it was saved: {example.method}{found.where} was "
                f"{found.recorded or 'another value'}, and now: {found.found}",
                why="What was recorded is what its author saw",
                fix=f"Look at all: tiffin models check {model.tag}; or serve with --no-check",
                tag=str(model.tag),
                report=None,
            )
    return len(examples)

"""Replaying: the methods of a stored model are run on its examples, and their answers compared with those of then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tiffin.examples import (
    DIFFERENT,
    Example,
    compare,
    device_of,
    pack,
    read_file,
    read_tolerances,
    unpack,
    unpack_inert,
    worst,
)
from tiffin.exceptions import ExamplesError, PredictionsDifferError, SignatureError, UnsendableError
from tiffin.info import ModelContext
from tiffin.model import Model
from tiffin.plugins import registry
from tiffin.runners import circumstances
from tiffin.signatures import Arguments, call_method, find_method


@attrs.frozen(kw_only=True)
class Replayed:
    """One answer, compared with the recorded one.

    Attributes:
        method: which method.
        example: the number of the input, from 0.
        verdict: "equal", "close" or "different"; a method that fails is different.
        ulps: how many floats of their type lie between the two numbers that are furthest apart; `None` where none differ.
        relative: the largest distance between two numbers, relative to the larger; `None` as for `ulps`.
        where: the place of what is furthest apart.
        recorded, found: what stood and stands there, as text.
        steady: whether two answers of now are the same; `None` where that was not looked at, because all is equal.
    """

    method: str
    example: int
    verdict: str
    ulps: int | None = None
    relative: float | None = None
    where: str = ""
    recorded: str = ""
    found: str = ""
    steady: bool | None = None


@attrs.frozen(kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        tag: the version.
        verdict: the worst of all answers': "equal", "close" or "different".
        answers: each answer, in the order in which they were recorded.
        versions_then, versions_now: name → version of Python, Tiffin and what the adapter names; at the save, and now.
        circumstances_then, circumstances_now: what may change an answer by some ulps: machine, processors, thread counts,
            device; at the save, and now.
    """

    tag: str
    verdict: str
    answers: Sequence[Replayed]
    versions_then: Mapping[str, str]
    versions_now: Mapping[str, str]
    circumstances_then: Mapping[str, str]
    circumstances_now: Mapping[str, str]

    def require_near(self) -> None:
        """Raise where an answer is different.

        Raises:
            PredictionsDifferError: one is.
        """
        other = [answer for answer in self.answers if answer.verdict == DIFFERENT]
        if not other:
            return
        one = other[0]
        changed = [
            f"{name} {self.versions_then.get(name, 'none')} is {now} now" for name, now in self.versions_now.items()
        ]
        raise PredictionsDifferError(
            f"Model '{self.tag}' answers {len(other)} of {len(self.answers)} examples otherwise than when it was saved: "
            f"{one.method}{one.where} was {one.recorded or 'another value'}, and now: {one.found}",
            why="; ".join(text for text, name in zip(changed, self.versions_now, strict=True) if self._changed(name)),
            fix=f"Look at all: tiffin models check {self.tag}",
            tag=self.tag,
            report=self,
        )

    def _changed(self, name: str) -> bool:
        return self.versions_then.get(name) != self.versions_now[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckReport:
        """Return the report that `to_dict` wrote."""
        return cls(**{**data, "answers": [Replayed(**answer) for answer in data["answers"]]})


def replay(model: Model, data: bytes | None, tolerances: Mapping[str, float] | None = None) -> CheckReport:
    """Load a model, and replay a file of examples with it; see `tiffin.models.check`.

    Args:
        model: the version, with the options to load it with.
        data: the file of its examples, if there is one.
        tolerances: how far floats may be apart and be close.
    """
    if data is None:
        raise ExamplesError(
            f"Model '{model.tag}' has no examples to replay",
            why="It was saved without, or came from where they are not kept",
            fix="Save it again with examples=…, as tiffin.save(name, model, examples=x)",
            path=str(model.path),
        )
    allowed = read_tolerances(tolerances)
    recording = read_file(data, f"The file of examples of model '{model.tag}'")
    runnable: Any
    try:
        runnable = model.to_runnable()()
    except SignatureError as error:  # a method is gone
        runnable = error
    inputs = list({id(example.arguments): example.arguments for example in recording.examples}.values())
    answers, device = [], ""
    for example in recording.examples:
        number = next(n for n, packed in enumerate(inputs) if packed is example.arguments)
        answer, where = _answer(runnable, example, number, allowed)
        answers.append(answer)
        device = device or where
    info = model.info
    return CheckReport(
        tag=str(model.tag),
        verdict=worst(answer.verdict for answer in answers),
        answers=answers,
        versions_then=_versions(info.context),
        versions_now=_versions(
            ModelContext.current(info.framework, registry().adapter(info.framework).info.distributions)
        ),
        circumstances_then=recording.made,
        circumstances_now={**circumstances(), **({"device": device} if device else {})},
    )


def _versions(context: ModelContext) -> dict[str, str]:
    return {"Python": context.python_version, "tiffin": context.tiffin_version, **context.framework_versions}


def _answer(runnable: Any, example: Example, number: int, tolerances: Mapping[str, float]) -> tuple[Replayed, str]:
    recorded = unpack_inert(example.answer)
    try:
        if isinstance(runnable, SignatureError):
            raise runnable
        value, device = _call(runnable, example)
        nearness = compare(recorded, value, tolerances)
        steady = None if nearness.verdict == "equal" else compare(value, _call(runnable, example)[0]).verdict == "equal"
    except (SignatureError, UnsendableError) as error:
        failed = Replayed(method=example.method, example=number, verdict=DIFFERENT, found=f"It fails: {error.what}")
        return failed, ""
    return Replayed(method=example.method, example=number, steady=steady, **attrs.asdict(nearness)), device


def _call(runnable: Any, example: Example) -> tuple[Any, str]:
    args, kwargs = unpack(example.arguments)
    method = find_method(runnable, example.method)
    answer = call_method(method, Arguments(*args, **kwargs), example.method)
    return unpack_inert(pack(answer, example.method)), device_of(answer)

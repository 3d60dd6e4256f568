"""Check: one named promise of adapters; Trial: what it is tried with."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs

from tiffin.exceptions import ConformanceError
from tiffin.model import Model
from tiffin.models import save
from tiffin.plugins import Adapter, registry
from tiffin.store import ModelStore
from tiffin.testing._subject import Subject

LEVEL = "2026.11"
"""The level of the newest checks, as year and month."""


class NotApplicable(Exception):
    """A check has nothing to say of a subject; the text says why."""


class Trial:
    """A subject, and a store of its own to try it in.

    Args:
        subject: the model and its inputs.
        folder: an empty folder.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self.folder = folder
        self.store = ModelStore(folder / "store")

    @cached_property
    def adapter(self) -> Adapter:
        """The adapter."""
        return registry().adapter(self.subject.framework)

    @cached_property
    def original(self) -> Any:
        """The model, as it was made."""
        return self.subject.make()

    @cached_property
    def saved(self) -> Model:
        """The model, saved once."""
        return save(
            "subject", self.original, framework=self.subject.framework, store=self.store, **self.subject.options
        )

    def answers(self, model: Any) -> dict[str, Any]:
        """Return what each method answers, as it would run: of the object that the adapter prepares.

        Raises:
            NotApplicable: the subject names no method.
        """
        if not self.subject.inputs:
            raise NotApplicable("the subject has no inputs")
        ready = self.adapter.prepare(model, self.saved.info.options, {}, None)
        return {
            method: _read_out(getattr(ready, method)(copy.deepcopy(x))) for method, x in self.subject.inputs.items()
        }

    def expect_same(self, answers: dict[str, Any], expected: dict[str, Any], where: str, fix: str) -> None:
        """Compare answers with those that are expected.

        Args:
            answers: by method.
            expected: by method; those of further methods do not count.
            where: whose answers the first are, for the error.
            fix: what to do if they differ.

        Raises:
            ConformanceError: a method answers otherwise.
        """
        for method, answer in answers.items():
            expect(
                self.subject.same(expected[method], answer),
                f"The method {method!r} answers otherwise {where}: {answer!r:.200} in place of {expected[method]!r:.200}",
                fix,
            )


def _read_out(answer: Any) -> Any:
    return list(answer) if isinstance(answer, Iterator) else answer


@attrs.frozen
class Check:
    """One promise that adapters keep.

    Attributes:
        name: its name, by which it is switched off.
        level: since when it is one, as "2026.11".
        promise: the promise, as a sentence.
        function: tries it; raises `ConformanceError` or `NotApplicable`.
    """

    name: str
    level: str
    promise: str
    function: Callable[[Trial], None] = attrs.field(repr=False)


_known: list[Check] = []


def check(level: str) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Make a function one of the checks: its name is the check's, the first line of its docstring the promise."""

    def add(function: Callable[[Trial], None]) -> Callable[[Trial], None]:
        _known.append(Check(function.__name__, level, (function.__doc__ or "").partition("\n")[0], function))
        return function

    return add


def expect(holds: bool, what: str, fix: str) -> None:
    """Raise a `ConformanceError` of these parts where something does not hold."""
    if not holds:
        raise ConformanceError(what, fix=fix, check="")


def checks(level: str = LEVEL) -> Iterator[Check]:
    """Yield the checks of a level and of those before it.

    Args:
        level: year and month, as "2026.11": whoever names it gets no newer checks with a newer Tiffin.

    Raises:
        ConformanceError: it is no level.
    """
    if not re.fullmatch(r"20\d\d\.(0[1-9]|1[0-2])", level):
        raise ConformanceError(
            f"{level!r} is no level of checks", fix=f"Give year and month; the newest is {LEVEL!r}", check=""
        )
    import tiffin.testing._of_files
    import tiffin.testing._of_running  # noqa: F401 - both add checks

    yield from (known for known in _known if known.level <= level)

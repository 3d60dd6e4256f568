"""Check: one named promise of adapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs

from tiffin.exceptions import ConformanceError

if TYPE_CHECKING:
    from tiffin.testing._bench import Trial

LEVEL = "2026.11"
"""The level of the newest checks, as year and month."""


class NotApplicable(Exception):
    """A check has nothing to say of a subject; the text says why."""


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
    # Each of these adds its checks, in the order in which they are listed.
    import tiffin.testing._of_claims
    import tiffin.testing._of_files
    import tiffin.testing._of_options
    import tiffin.testing._of_programs
    import tiffin.testing._of_running
    import tiffin.testing._of_strangers
    import tiffin.testing._of_values  # noqa: F401

    yield from (known for known in _known if known.level <= level)

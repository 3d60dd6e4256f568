"""What plugins answer to a hook that asks each for a list of objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tiffin.exceptions import HookError


def joined(answers: Iterable[Any], kind: type, hook: str, why: str) -> list[Any]:
    """Return all objects of all plugins' answers, in their order.

    Args:
        answers: what the plugins answer.
        kind: the class of the objects.
        hook: the hook's name, for errors.
        why: why another answer cannot be passed over.

    Raises:
        HookError: a plugin answers with something else.
    """
    found: list[Any] = []
    for answer in answers:
        if not isinstance(answer, Sequence) or not all(isinstance(item, kind) for item in answer):
            raise HookError(
                f"A plugin answers the hook {hook!r} with {answer!r}",
                why=why,
                fix=f"Return a list of objects of tiffin.plugins.{kind.__name__}, or None",
                plugin="",
            )
        found += answer
    return found

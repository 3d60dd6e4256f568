"""Subject: one model that an adapter is checked with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tiffin.exceptions import ConformanceError
from tiffin.testing._equality import equal


@attrs.frozen(kw_only=True)
class Subject:
    """One model that an adapter is checked with, and what its methods are asked.

    Attributes:
        framework: the adapter's name.
        make: makes the model; called anew for each check, in other processes too, and must make equal models.
        inputs: method → the one argument of a call. For a method that the adapter calls batchable, at least two rows.
        name: what tells it from the adapter's other subjects, as "unfitted".
        options: options of the adapter to save it with.
        by_name: whether the adapter takes it only where it is asked for by name.
        parameters: returns what a model was made with and must keep, as its settings; compared as answers are.
        partial_kwargs: method → keyword arguments for it, to try whether they reach the method.
        refuses: whether the methods raise when they are asked, as those of a model that is not fitted do.
        same: tells whether two answers are the same; default: equal in type, dtype, shape and every value.
        close: the same of a row's answer alone and among others, where sums may be made in another order.
        off: check → the reason why it is switched off. Strict: one that passes all the same fails.
    """

    framework: str
    make: Callable[[], Any]
    inputs: Mapping[str, Any] = attrs.field(factory=dict)
    name: str = "model"
    options: Mapping[str, Any] = attrs.field(factory=dict)
    by_name: bool = False
    parameters: Callable[[Any], Any] | None = None
    partial_kwargs: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    refuses: bool = False
    same: Callable[[Any, Any], bool] = equal
    close: Callable[[Any, Any], bool] | None = None
    off: Mapping[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for check, reason in self.off.items():
            if not isinstance(reason, str) or not reason.strip():
                raise ConformanceError(
                    f"The check {check!r} of the adapter {self.framework!r} is switched off with the reason {reason!r}",
                    why="Whoever relies on the adapter is to read why it does not hold",
                    fix="Write the reason as a sentence",
                    check=check,
                )

"""What the conformance kit checks this adapter with: `tiffin plugins check picklable`."""

from __future__ import annotations

import math

from tiffin.testing import Subject


class Scale:
    """A model of the user's own.

    Args:
        factor: what it multiplies by; without one it answers nothing.
    """

    def __init__(self, factor: float | None = None) -> None:
        self.factor = factor

    def __call__(self, values: list[float], offset: float = 0.0) -> list[float]:
        """Return the values, each times the factor, and moved by `offset`."""
        if self.factor is None:
            raise ValueError("it has no factor yet")
        return [value * self.factor + offset for value in values]


def subjects() -> list[Subject]:
    """Return objects of a class, with and without what they need, a function that is importable, and one that is not."""
    asked = {"__call__": [1.0, 2.0]}
    return [
        Subject(
            framework="picklable",
            name="object",
            make=lambda: Scale(3.0),
            inputs=asked,
            parameters=vars,
            partial_kwargs={"__call__": {"offset": 1.0}},
        ),
        Subject(framework="picklable", name="unfitted", make=Scale, inputs=asked, parameters=vars, refuses=True),
        Subject(
            framework="picklable",
            name="function",
            make=lambda: math.sqrt,
            inputs={"__call__": 2.0},
            off={"load_returns_a_new_object": "An importable function is stored by its name, which means one object."},
        ),
        Subject(framework="picklable", name="lambda", make=lambda: lambda x: x + 1, inputs={"__call__": 2}),
    ]

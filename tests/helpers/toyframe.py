"""A toy framework: a model, and a class of values of its own."""

from __future__ import annotations

from typing import Any

import numpy


class Rows:
    """Values of the framework's own."""

    def __init__(self, values: Any) -> None:
        self.values = numpy.asarray(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and self.dtype == other.dtype and numpy.array_equal(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Rows({self.values!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> Any:
        return self.values.dtype


class Scale:
    """A toy model."""

    def __init__(self, factor: float, unit: str = "cm") -> None:
        self.factor = factor
        self.unit = unit

    def apply(self, values: Any, offset: float = 0.0) -> Any:
        return values * self.factor + offset

    def centre(self, values: Any) -> Any:
        return values - values.mean()

    def wrap(self, rows: Rows) -> Rows:
        return Rows(rows.values * self.factor)

    def describe(self) -> str:
        return self.unit

"""A toy framework whose answers are arrays, and its adapter: a later version may answer otherwise, if a test lets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tiffin import hookimpl

ROWS = np.array([[0.1, 0.2], [1.0, 3.0], [np.nan, 1.0]])


class Scale:
    """A toy model: multiplies. What tests change of it stands for what a newer framework changes."""

    drift: Any = 0.0

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.calls = 0

    def apply(self, rows: Any, *, shift: float = 0.0) -> Any:
        self.calls += 1
        return np.asarray(rows) * self.factor + shift + self.drift

    def sizes(self, rows: Any) -> list[str]:
        return ["large" if row.sum() > 1 else "small" for row in rows]

    def clear(self, rows: Any) -> Any:
        rows[:] = 0
        return rows

    def as_object(self, rows: Any) -> Any:
        return Scale(float(rows.sum()))

    def in_parts(self, rows: Any) -> Iterator[Any]:
        yield from rows


class ScaleAdapter:
    """The toy adapter of the framework `scale`."""

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {
            "types": [f"{Scale.__module__}.{Scale.__qualname__}"],
            "distributions": ["attrs"],
            "signatures": {"apply": {"batchable": True}, "sizes": {"batchable": True}},
            "code_files": (),
        }

    @hookimpl
    def save(self, model: Scale, path: Path) -> None:
        (path / "factor").write_text(repr(model.factor), encoding="utf-8")

    @hookimpl
    def load(self, path: Path) -> Scale:
        return Scale(float((path / "factor").read_text(encoding="utf-8")))

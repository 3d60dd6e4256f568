"""Tiffin's adapter for numpy's polynomial series: fitted curves, stored as text. Loading runs no code."""

import json
from pathlib import Path
from typing import Any

from tiffin import hookimpl

KINDS = ("Polynomial", "Chebyshev", "Legendre", "Laguerre", "Hermite", "HermiteE")


@hookimpl
def context_info() -> dict[str, Any]:
    return {
        "types": [f"numpy.polynomial.{kind}" for kind in KINDS],
        "distributions": ["numpy"],
        "signatures": {"__call__": {"batchable": True}},
        "code_files": [],
        "cpu_multi_threading": True,
    }


@hookimpl
def save(model: Any, path: Path) -> None:
    kind = type(model).__name__
    if kind not in KINDS:
        raise TypeError(f"{kind} is not one of numpy's own series, and would come back as another class")
    fields = {name: getattr(model, name).tolist() for name in ("coef", "domain", "window")}
    (path / "series.json").write_text(json.dumps({"kind": kind, **fields}), encoding="utf-8")


@hookimpl
def load(path: Path) -> Any:
    from numpy import polynomial

    fields = json.loads((path / "series.json").read_text(encoding="utf-8"))
    return getattr(polynomial, KINDS[KINDS.index(fields.pop("kind"))])(**fields)

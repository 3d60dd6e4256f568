"""Compare two objects attribute by attribute and bit by bit, for what is built against what unpickling gives."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


def difference(one: Any, other: Any) -> str:
    """Return the path of the first difference between two objects, "" where there is none.

    Values are walked, not compared by their own methods; what is shared or holds itself is walked once.
    """
    pending = [("", one, other)]
    seen: set[tuple[int, int]] = set()
    kept = []
    while pending:
        path, a, b = pending.pop()
        if a is b:
            continue
        if type(a) is not type(b):
            return f"{path}: {type(a).__name__} and {type(b).__name__}"
        if (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        kept.append((a, b))
        found = _parts(a, b)
        if found is None:
            return path or "the object"
        pending += [(path + step, x, y) for step, x, y in found]
    return ""


def _parts(a: Any, b: Any) -> Iterable[tuple[str, Any, Any]] | None:
    if isinstance(a, np.ndarray):
        return _arrays(a, b)
    if isinstance(a, np.generic):
        return [] if a.tobytes() == b.tobytes() else None
    if isinstance(a, dict):
        if list(map(repr, a)) != list(map(repr, b)):
            return None
        items = [(f"[{key!r}]", x, y) for key, x, y in zip(a, a.values(), b.values(), strict=True)]
        return items + ([(".", vars(a), vars(b))] if hasattr(a, "__dict__") and type(a).__name__ != "Bunch" else [])
    if isinstance(a, (list, tuple)):
        return [(f"[{n}]", x, y) for n, (x, y) in enumerate(zip(a, b, strict=True))] if len(a) == len(b) else None
    if isinstance(a, (set, frozenset)):
        return [] if a == b else None
    if isinstance(a, np.random.RandomState):
        return [(".state", a.get_state(legacy=False), b.get_state(legacy=False))]
    if isinstance(a, np.random.Generator):
        return [(".bit_generator", a.bit_generator, b.bit_generator)]
    if isinstance(a, np.random.BitGenerator):
        return [(".state", a.state, b.state), (".seed_seq", vars_of_seed(a), vars_of_seed(b))]
    plain = (type, types.FunctionType, types.BuiltinFunctionType, np.dtype, slice, int, float, str, bytes, complex)
    if isinstance(a, plain) or a is None:
        return [] if a == b or a != a else None
    if hasattr(a, "__dict__"):
        return [(".", _without_found_out(vars(a)), _without_found_out(vars(b)))]
    return [("()", a.__reduce__()[1:], b.__reduce__()[1:])]


def vars_of_seed(generator: Any) -> Any:
    """Return what seeded a bit generator."""
    return getattr(generator.seed_seq, "state", None)


def _without_found_out(own: dict[str, Any]) -> dict[str, Any]:
    # What scipy finds out anew about a sparse matrix.
    return {key: value for key, value in own.items() if key not in ("_has_sorted_indices", "_has_canonical_format")}


def _arrays(a: Any, b: Any) -> Iterable[tuple[str, Any, Any]] | None:
    if (a.dtype, a.shape, a.flags.f_contiguous, a.flags.writeable) != (
        b.dtype, b.shape, b.flags.f_contiguous, b.flags.writeable,
    ):  # fmt: skip
        return None
    if isinstance(a, np.ma.MaskedArray):
        return [(".data", a.data, b.data), (".mask", a.mask, b.mask)]
    if a.dtype.hasobject:
        return [(f"[{n}]", x, y) for n, (x, y) in enumerate(zip(a.ravel(), b.ravel(), strict=True))]
    if a.dtype.names:
        return list(_fields(a, b))
    return [] if a.tobytes() == b.tobytes() else None


def _fields(a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    for name in a.dtype.names:
        yield f".{name}", np.ascontiguousarray(a[name]), np.ascontiguousarray(b[name])

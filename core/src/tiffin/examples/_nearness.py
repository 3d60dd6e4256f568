"""How near one answer comes to another: equal, close (how far apart, in ulps and relative), or different."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np

from tiffin.examples._packing import Parts
from tiffin.exceptions import ExamplesError

EQUAL, CLOSE, DIFFERENT = "equal", "close", "different"
_ORDER = (EQUAL, CLOSE, DIFFERENT)

TOLERANCES: Mapping[str, float] = {"float16": 1e-2, "float32": 1e-4, "float64": 1e-9}
"""Kind of number → how far two may be apart and be close, relative to the larger.

Complex numbers go by their parts; Python's floats are float64, longer floats too. All else (whole numbers, texts, truth
values, times) is equal or different."""

_NOISE = 64
"""Units in the last place of an answer's largest number: less than that is what rounding leaves of sums, near zero too."""
_SHOWN = 60


@attrs.frozen
class Nearness:
    """How near an answer comes to the recorded one.

    Attributes:
        verdict: "equal", "close" or "different".
        ulps: how many floats of the type lie between the two that are furthest apart; `None` where no floats differ.
        relative: the largest distance, relative to the larger of the two; `None` as for `ulps`.
        where: the place of what is furthest apart, as "[3, 1]" or "['scores'][0]"; empty for the whole.
        recorded, found: what stands there, as text; of a difference in type or shape, that.
    """

    verdict: str
    ulps: int | None = None
    relative: float | None = None
    where: str = ""
    recorded: str = ""
    found: str = ""


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst of several verdicts; "equal" of none."""
    return max(verdicts, key=_ORDER.index, default=EQUAL)


def read_tolerances(given: Mapping[str, float] | None) -> Mapping[str, float]:
    """Return the tolerances with those of a user in place of the default ones.

    Raises:
        ExamplesError: there is no such kind, or the value is not a number from 0 on.
    """
    for kind, value in (given or {}).items():
        if kind not in TOLERANCES or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ExamplesError(
                f"{kind}={value!r} is no tolerance",
                why=f"Tolerances are there for {', '.join(TOLERANCES)}; each is a number from 0 on, relative to the value",
                fix="For example: float32=1e-5",
                path="",
            )
    return {**TOLERANCES, **(given or {})}


def compare(recorded: Any, found: Any, tolerances: Mapping[str, float] = TOLERANCES) -> Nearness:
    """Compare two answers; NaN equals NaN, and 0.0 equals -0.0.

    Args:
        recorded, found: plain values, arrays, and `Parts` of values of other kinds.
        tolerances: how far floats may be apart and be close.
    """
    everything = list(_differences(recorded, found, tolerances, ""))
    if not everything:
        return Nearness(EQUAL)
    verdict = worst(one.verdict for one in everything)
    furthest = max(everything, key=lambda one: (_ORDER.index(one.verdict), one.relative or 0.0, one.ulps or 0))
    floats = [one for one in everything if one.ulps is not None]
    return attrs.evolve(
        furthest,
        verdict=verdict,
        ulps=max((one.ulps or 0 for one in floats), default=None),
        relative=max((one.relative or 0.0 for one in floats), default=None),
    )


def _differences(recorded: Any, found: Any, tolerances: Mapping[str, float], where: str) -> Iterable[Nearness]:
    if type(recorded) is not type(found):
        yield _other(where, _kind(recorded), _kind(found))
    elif isinstance(recorded, Parts):
        if recorded.kind != found.kind:
            yield _other(where, recorded.kind, found.kind)
        else:
            yield from _differences(recorded.parts, found.parts, tolerances, where)
    elif isinstance(recorded, (np.ndarray, np.generic)):
        yield from _of_arrays(np.asarray(recorded), np.asarray(found), tolerances, where)
    elif isinstance(recorded, dict):
        if recorded.keys() != found.keys():
            yield _other(where, f"the keys {sorted(map(repr, recorded))}", f"the keys {sorted(map(repr, found))}")
        else:
            for key, value in recorded.items():
                yield from _differences(value, found[key], tolerances, f"{where}[{key!r:.40}]")
    elif isinstance(recorded, (list, tuple)):
        if len(recorded) != len(found):
            yield _other(where, f"{len(recorded)} items", f"{len(found)} items")
        else:
            for number, (one, other) in enumerate(zip(recorded, found, strict=True)):
                yield from _differences(one, other, tolerances, f"{where}[{number}]")
    elif isinstance(recorded, (float, complex)):
        yield from _of_arrays(np.asarray(recorded), np.asarray(found), tolerances, where)
    elif recorded != found:
        yield _other(where, repr(recorded), repr(found))


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, Parts) else f"a {type(value).__name__}"


def _other(where: str, recorded: str, found: str) -> Nearness:
    return Nearness(DIFFERENT, None, None, where, recorded[:_SHOWN], found[:_SHOWN])


def _of_arrays(recorded: Any, found: Any, tolerances: Mapping[str, float], where: str) -> Iterable[Nearness]:
    texts = recorded.dtype.kind in "US" and found.dtype.kind == recorded.dtype.kind  # their widths say nothing
    if recorded.dtype != found.dtype and not texts:
        yield _other(where, f"dtype {recorded.dtype}", f"dtype {found.dtype}")
    elif recorded.shape != found.shape:
        yield _other(where, f"shape {recorded.shape}", f"shape {found.shape}")
    elif recorded.dtype.names:
        for name in recorded.dtype.names:
            yield from _of_arrays(recorded[name], found[name], tolerances, f"{where}[{name!r}]")
    elif recorded.dtype.kind == "O":
        yield from _differences(recorded.tolist(), found.tolist(), tolerances, where)
    elif recorded.dtype.kind == "c":
        for part in ("real", "imag"):
            yield from _of_arrays(getattr(recorded, part), getattr(found, part), tolerances, f"{where}.{part}")
    elif recorded.dtype.kind == "f":
        yield from _of_floats(recorded, found, tolerances, where)
    elif recorded.dtype.kind == "V":
        if recorded.tobytes() != found.tobytes():
            yield _other(where, "other bytes", "other bytes")
    else:
        other = recorded != found
        if recorded.dtype.kind in "mM":
            other &= ~(np.isnat(recorded) & np.isnat(found))
        if np.any(other):
            place = _first(other)
            yield _other(where + _place(place), repr(recorded[place].item()), repr(found[place].item()))


def _of_floats(recorded: Any, found: Any, tolerances: Mapping[str, float], where: str) -> Iterable[Nearness]:
    other = (recorded != found) & ~(np.isnan(recorded) & np.isnan(found))
    if not np.any(other):
        return
    kind = recorded.dtype.newbyteorder("=")
    before, now = recorded[other].astype(kind), found[other].astype(kind)
    finite = np.isfinite(before) & np.isfinite(now)
    wide = np.longdouble
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(before.astype(wide)), np.abs(now.astype(wide)))
        gap = np.abs(before.astype(wide) - now.astype(wide))
        relative = np.where(finite, gap / size, np.inf)
        largest = max(_largest(recorded), _largest(found))
        noise = _NOISE * np.finfo(kind).eps * wide(largest)
        near = finite & ((relative <= tolerances.get(kind.name, tolerances["float64"])) | (gap <= noise))
    at = int(np.argmax(np.where(near, relative, relative + 4)))
    place = tuple(int(index[at]) for index in np.nonzero(other)) if other.ndim else ()
    ulps = _ulps(before[finite], now[finite])
    yield Nearness(
        CLOSE if bool(near.all()) else DIFFERENT,
        ulps,
        float(relative.max()),
        where + _place(place),
        str(before[at]),
        str(now[at]),
    )


def _largest(values: Any) -> Any:
    finite = values[np.isfinite(values)]
    return np.max(np.abs(finite)) if finite.size else 0.0


def _ulps(before: Any, now: Any) -> int | None:
    """Return how many steps from one float to the next lie between the two that are most of them apart."""
    if not before.size:
        return None
    if before.dtype.itemsize > 8:
        with np.errstate(all="ignore"):
            return int(np.max(np.abs(before - now) / np.spacing(np.maximum(np.abs(before), np.abs(now)))))
    bits = 8 * before.dtype.itemsize
    whole, middle = np.dtype(f"u{bits // 8}"), 1 << (bits - 1)

    def place(values: Any) -> Any:
        # Taken as whole numbers floats sort by size, but the negative ones in reverse order and behind the others.
        numbers = np.ascontiguousarray(values).view(whole)
        return np.where(numbers >= middle, ~numbers + whole.type(1), numbers + whole.type(middle))

    one, other = place(before), place(now)
    return int((np.maximum(one, other) - np.minimum(one, other)).max())


def _first(other: Any) -> tuple[int, ...]:
    return tuple(int(index[0]) for index in np.nonzero(other)) if other.ndim else ()


def _place(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]" if place else ""

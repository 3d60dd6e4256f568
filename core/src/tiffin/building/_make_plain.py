"""Makers of plain values of Python's own: numbers, bytes, dates, and containers that pickles make by a call."""

from __future__ import annotations

import collections
import datetime
import decimal
import uuid
from collections.abc import Iterator
from math import prod
from typing import Any

from tiffin.building._lists import Maker, Name, is_one, require
from tiffin.building._make_arrays import SCALARS
from tiffin.pickling import restore_memoryview

_FACTORIES: dict[str, Any] = {
    "list": list,
    "dict": dict,
    "set": set,
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
}
_MAX_DIGITS = 10_000
_FORMATS = frozenset("bBhHiIlLqQnNfd?")


def _slice(arguments: tuple[Any, ...], state: Any) -> slice:
    start, stop, step = arguments
    for part in arguments:
        require(part is None or type(part) in (int, str) or type(part) in SCALARS, "it makes a slice of no numbers")
    return slice(start, stop, step)


def _complex(arguments: tuple[Any, ...], state: Any) -> complex:
    real, imaginary = arguments
    require(type(real) is float and type(imaginary) is float, "it makes a complex number otherwise than Python does")
    return complex(real, imaginary)


def _range(arguments: tuple[Any, ...], state: Any) -> range:
    start, stop, step = arguments
    require(all(type(part) is int for part in arguments), "it makes a range of no numbers")
    return range(start, stop, step)


def _bytes(arguments: tuple[Any, ...], state: Any) -> bytes:
    require(arguments == (), "it makes bytes otherwise than Python does")
    return b""


def _bytearray(arguments: tuple[Any, ...], state: Any) -> bytearray:
    if not arguments:
        return bytearray()
    if len(arguments) == 2:
        text, encoding = arguments
        require(type(text) is str and is_one(encoding, "latin-1"), "it makes bytes otherwise than Python does")
        return bytearray(text.encode("latin-1"))
    (data,) = arguments
    require(type(data) is bytes, "it makes bytes otherwise than Python does")  # of a number, it would ask for memory
    return bytearray(data)


def _encoded(arguments: tuple[Any, ...], state: Any) -> bytes:
    text, encoding = arguments
    require(type(text) is str and is_one(encoding, "latin1", "latin-1"), "it makes bytes otherwise than Python does")
    return bytes(text.encode("latin-1"))


def _set(arguments: tuple[Any, ...], state: Any) -> set[Any]:
    (items,) = arguments
    require(type(items) is list, "it makes a set otherwise than Python does")
    return set(items)


def _frozenset(arguments: tuple[Any, ...], state: Any) -> frozenset[Any]:
    (items,) = arguments
    require(type(items) is list, "it makes a set otherwise than Python does")
    return frozenset(items)


def _ordered(arguments: tuple[Any, ...], state: Any) -> Any:
    require(arguments == (), "it makes a dict otherwise than Python does")
    return collections.OrderedDict()


def _default(arguments: tuple[Any, ...], state: Any) -> Any:
    require(len(arguments) <= 1, "it makes a dict otherwise than Python does")
    factory = arguments[0] if arguments else None
    require(factory is None or factory.__class__ is Name, "it makes a dict otherwise than Python does")
    return collections.defaultdict(None if factory is None else _FACTORIES[factory.name])


def _counter(arguments: tuple[Any, ...], state: Any) -> Any:
    (counts,) = arguments or ({},)
    require(type(counts) is dict, "it makes a counter otherwise than Python does")
    made: collections.Counter[Any] = collections.Counter()
    for key, count in counts.items():
        made[key] = count
    return made


def _deque(arguments: tuple[Any, ...], state: Any) -> Any:
    items, *most = arguments or ((),)
    require(is_one(items, ()) and (not most or type(most[0]) is int), "it makes a deque otherwise than Python does")
    return collections.deque(maxlen=most[0] if most else None)


def _date(arguments: tuple[Any, ...], state: Any) -> datetime.date:
    (data,) = arguments
    require(type(data) is bytes and len(data) == 4, "it makes a date otherwise than Python does")
    return datetime.date(data[0] * 256 + data[1], data[2], data[3])


def _datetime(arguments: tuple[Any, ...], state: Any) -> datetime.datetime:
    data, *zone = arguments
    require(type(data) is bytes and len(data) == 10, "it makes a date otherwise than Python does")
    year, month, fold = data[0] * 256 + data[1], data[2] & 127, data[2] >> 7
    micro = int.from_bytes(data[7:], "big")
    return datetime.datetime(
        year, month, data[3], data[4], data[5], data[6], micro, _zone(*zone) if zone else None, fold=fold
    )


def _time(arguments: tuple[Any, ...], state: Any) -> datetime.time:
    data, *zone = arguments
    require(type(data) is bytes and len(data) == 6, "it makes a time otherwise than Python does")
    micro = int.from_bytes(data[3:], "big")
    return datetime.time(data[0] & 127, data[1], data[2], micro, *map(_zone, zone), fold=data[0] >> 7)


def _zone(zone: Any) -> Any:
    require(zone is None or type(zone) is datetime.timezone, "it makes a time of an unknown zone")
    return zone


def _timedelta(arguments: tuple[Any, ...], state: Any) -> datetime.timedelta:
    require(len(arguments) <= 3 and all(type(part) is int for part in arguments), "it makes a time span of no numbers")
    return datetime.timedelta(*arguments)


def _timezone(arguments: tuple[Any, ...], state: Any) -> datetime.timezone:
    offset, *name = arguments
    require(type(offset) is datetime.timedelta and all(type(part) is str for part in name), "it makes an unknown zone")
    return datetime.timezone(offset, *name)


def _decimal(arguments: tuple[Any, ...], state: Any) -> decimal.Decimal:
    (text,) = arguments
    require(type(text) is str and len(text) <= _MAX_DIGITS, "it makes a number of too many digits")
    return decimal.Decimal(text)


def _uuid(arguments: tuple[Any, ...], state: Any) -> uuid.UUID:
    require(
        arguments == () and type(state) is dict and state.keys() == {"int"},
        "it makes an UUID otherwise than Python does",
    )
    require(type(state["int"]) is int, "it makes an UUID otherwise than Python does")
    return uuid.UUID(int=state["int"])


def _view(arguments: tuple[Any, ...], state: Any) -> memoryview:
    buffer, format, shape = arguments
    require(
        type(buffer) in (bytes, bytearray, memoryview) and type(format) is str and format in _FORMATS and type(shape) is tuple
        and len(shape) <= 32 and all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
        and prod(shape) <= memoryview(buffer).nbytes,
        "it makes a view of bytes otherwise than Tiffin does",
    )  # fmt: skip
    return restore_memoryview(buffer, format, shape)


FUNCTIONS = tuple(
    f"builtins.{name}" for name in ("Ellipsis", "NotImplemented", "bool", "float", "int", "object", "str")
)
"""Names of Python's own that stand as values."""


def makers() -> Iterator[tuple[str, Maker]]:
    """Yield the names that pickles of plain values call, and how what they stand for is made."""
    for name, make in {
        "slice": _slice, "complex": _complex, "range": _range, "bytes": _bytes, "bytearray": _bytearray,
    }.items():  # fmt: skip
        yield f"builtins.{name}", Maker(_stateless(make))
    yield "builtins.set", Maker(_stateless(_set), hashes=True)
    yield "builtins.frozenset", Maker(_stateless(_frozenset), hashes=True)
    yield "_codecs.encode", Maker(_stateless(_encoded))
    yield "collections.OrderedDict", Maker(_ordered, items=True, attributes=True)
    yield "collections.defaultdict", Maker(_default, frozenset(f"builtins.{name}" for name in _FACTORIES), items=True)
    yield "collections.Counter", Maker(_counter, items=True, hashes=True)
    yield "collections.deque", Maker(_deque, items=True)
    for name, make in {
        "date": _date, "datetime": _datetime, "time": _time, "timedelta": _timedelta, "timezone": _timezone,
    }.items():  # fmt: skip
        yield f"datetime.{name}", Maker(_stateless(make))
    yield "decimal.Decimal", Maker(_stateless(_decimal))
    yield "uuid.UUID", Maker(_uuid, new=True)
    yield "tiffin.pickling.restore_memoryview", Maker(_stateless(_view))


def _stateless(make: Any) -> Any:
    def made(arguments: tuple[Any, ...], state: Any) -> Any:
        require(state is None, "it sets the state of something that has none")
        return make(arguments, state)

    return made

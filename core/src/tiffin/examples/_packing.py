"""Packing: one value as JSON and plain buffers, in the form in which it would cross to another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tiffin.exceptions import ExamplesError, FrameError
from tiffin.values import ValueKind, make_ready, registry
from tiffin.wire import decode_value, encode_value


@attrs.frozen
class Packed:
    """One value without its class.

    Attributes:
        header: JSON that describes it.
        buffers: its bytes, in the order in which the header mentions them.
        kinds: names of the kinds of values in it, beside plain values and arrays.
    """

    header: bytes
    buffers: Sequence[Any]
    kinds: Sequence[str] = ()


@attrs.frozen
class Parts:
    """A value of some kind as what its kind sends: enough to compare it, and nothing of its package is needed.

    Attributes:
        kind: the kind's name.
        parts: plain values, arrays, and further parts.
    """

    kind: str
    parts: Any


class _Anybody:
    """A receiver that takes all kinds, and remembers which it was sent."""

    def __init__(self) -> None:
        self.kinds: dict[str, None] = {}

    def sends(self, kind: ValueKind) -> None:
        self.kinds[kind.name] = None


class _Inert(ValueKind):
    """Stands for any kind when a value is read only to be compared."""

    def __init__(self, name: str) -> None:
        self.name = name

    def receive(self, parts: Any) -> Parts:
        return Parts(self.name, parts)


def pack(value: Any, name: str) -> Packed:
    """Return a value in plain form; what it holds is copied.

    Args:
        value: plain values, arrays, and values of the kinds that core and the installed plugins know.
        name: what errors call it.

    Raises:
        UnsendableError: something in it has no plain form; `where` is the path to it.
    """
    import tiffin.values.kinds  # noqa: F401 - registers core's own

    peer = _Anybody()
    header, buffers = encode_value(value, name, peer=peer)
    return Packed(header, [_copied(buffer) for buffer in buffers], list(peer.kinds))


def _copied(buffer: Any) -> bytes:
    return buffer if isinstance(buffer, bytes) else bytes(buffer.tobytes())


def unpack(packed: Packed) -> Any:
    """Return the value, in memory of its own; imports the packages of the kinds that it holds.

    Raises:
        ExamplesError: it is damaged, or no installed plugin knows a kind.
    """
    import tiffin.values.kinds  # noqa: F401 - registers core's own

    if not registry.named.keys() >= set(packed.kinds):
        registry.ask()
    kinds: dict[str, ValueKind] = {}
    for name in packed.kinds:
        kind = registry.named.get(name)
        if kind is None:
            raise ExamplesError(
                f"The example holds a value of the kind {str(name)!r:.80}, which nothing here knows",
                why="The plugin that brings such values is not installed, or has not been asked for them",
                fix="Install what the model was saved with, and load the model first",
                path="",
            )
        make_ready(kind)
        kinds[name] = kind
    return _decoded(packed, kinds)


class _AllInert(dict[str, ValueKind]):
    def get(self, name: Any, default: Any = None) -> Any:
        return _Inert(str(name))


def unpack_inert(packed: Packed) -> Any:
    """Return the value with `Parts` in place of values of a kind; imports nothing.

    Raises:
        ExamplesError: it is damaged.
    """
    return _decoded(packed, _AllInert())


def _decoded(packed: Packed, kinds: Mapping[str, ValueKind]) -> Any:
    import numpy

    # Memory of numpy's own is aligned, and may be written to: a method may change its arguments in place.
    buffers = [numpy.frombuffer(buffer, numpy.uint8).copy() for buffer in packed.buffers]
    try:
        return decode_value(packed.header, buffers, kinds=kinds)
    except FrameError as error:
        raise ExamplesError(
            f"An example cannot be read: {error.what}",
            why="It is damaged, or was not written by Tiffin",
            fix="Save the model again with examples, or get it again from where it came",
            path="",
        ) from error

"""Values in frames: which Python values can cross to another process, and how.

Encoding gives a header (JSON) and a list of buffers; decoding gives equal values of the same types. A header is a tree:
null, true, false, numbers, short strings and arrays stand for themselves (an array for a list), and everything else
is an object with one key that says what it is. Buffers are taken in the order in which the tree mentions them.

Other kinds of values cross as `tiffin.values` says, if both ends have agreed on them. What has no typed form is refused by
name before anything is sent, subclasses included: an OrderedDict that arrives as a dict would be a silent change.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tiffin.exceptions import FrameError, UnsendableError
from tiffin.values import Unsendable, ValueKind, registry
from tiffin.values.dtypes import Cache, dtype_from, dtype_spec, shape_from
from tiffin.wire._frames import COPIED, LIMITS
from tiffin.wire._plain_headers import PlainHeaders
from tiffin.wire._shared_memory import Lent, decides_nothing

MAX_DEPTH = 32
"""How deep values may nest."""
_SHORT = 1024
"""Characters or items from which on strings and lists of numbers travel as buffers, not in the header."""
_MISSING = (None, float("nan"))
_PLAIN = frozenset({type(None), bool, int, float})
# Not as escapes: two lone surrogates side by side would be read as one character.
_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode

Encoded = tuple[bytes, list[Any]]
"""A header, and buffers: `bytes` or arrays (of any layout; they are sent in C order)."""


class Peer(Protocol):
    """Whoever receives what is encoded."""

    def sends(self, kind: ValueKind) -> None:
        """Note that a value of this kind is about to be sent; raises `Unsendable` where the receiver does not take such."""


_NO_KINDS: Mapping[str, ValueKind] = {}
_parsed: Cache[bytes, Any] = Cache()
_plain_calls, _plain_values = PlainHeaders(), PlainHeaders()


def encode_call(
    method: str, args: Sequence[Any], kwargs: Mapping[str, Any], extra: Any = None, *, peer: Peer | None = None
) -> Encoded:
    """Return header and buffers of a call.

    Args:
        method: the method's name.
        args: positional arguments.
        kwargs: keyword arguments.
        extra: a sendable value that goes with the call (its options).
        peer: what was agreed with the receiver; only plain values and arrays cross without. Send its news first.

    Raises:
        UnsendableError: something in it has no typed form; `where` is the path to it.
    """
    plain = len(args) == 1 and not kwargs and extra is None and type(args[0]) is np.ndarray
    if plain and (known := _plain_calls.write(method, args[0])) is not None:
        return known
    encoder = Encoder(peer)
    try:
        positional = [encoder.at(f"args[{index}]", value) for index, value in enumerate(args)]
        named = {name: encoder.at(f"kwargs[{name!r}]", value) for name, value in kwargs.items()}
        header = encoder.finish([method, positional, named, encoder.at("options", extra)])
    except Unsendable as error:
        raise _unsendable(error) from None
    if plain:
        _plain_calls.wrote(method, args[0], header)
    return header, encoder.buffers


def encode_value(value: Any, name: str = "result", *, peer: Peer | None = None) -> Encoded:
    """Return header and buffers of one value.

    Args:
        value: anything that has a typed form.
        name: what errors call it.
        peer: as for `encode_call`.

    Raises:
        UnsendableError: something in it has no typed form; `where` is the path to it.
    """
    plain = type(value) is np.ndarray
    if plain and (known := _plain_values.write("", value)) is not None:
        return known
    encoder = Encoder(peer)
    try:
        header = encoder.finish(encoder.at(name, value))
    except Unsendable as error:
        raise _unsendable(error) from None
    if plain:
        _plain_values.wrote("", value, header)
    return header, encoder.buffers


def decode_call(
    header: bytes, buffers: Sequence[Any], *, kinds: Mapping[str, ValueKind] = _NO_KINDS
) -> tuple[str, tuple[Any, ...], dict[str, Any], Any]:
    """Return method, args, kwargs and extra of a call. Arrays use the buffers' memory.

    Args:
        header: the header.
        buffers: the buffers.
        kinds: the kinds of values that it may hold besides plain values and arrays, by name.

    Raises:
        FrameError: the header is not one that `encode_call` writes, or does not fit the buffers.
    """
    known = _plain_calls.read(header, buffers)
    if known is not None:
        return known[0], known[1:], {}, None

    def build(tree: Any, decoder: Decoder) -> tuple[str, tuple[Any, ...], dict[str, Any], Any]:
        method, positional, named, extra = tree
        if type(method) is not str or type(positional) is not list or type(named) is not dict:
            raise ValueError("a call is [method, [arguments], {arguments}, extra]")
        args = tuple([decoder.value(node) for node in positional])
        kwargs = {name: decoder.value(node) for name, node in named.items()}
        if len(args) == 1 and not kwargs and extra is None:
            _plain_calls.learn(header, method, positional[0], args[0])
        return method, args, kwargs, decoder.value(extra)

    return _decode(header, buffers, kinds, build)  # type: ignore[no-any-return]


def decode_value(header: bytes, buffers: Sequence[Any], *, kinds: Mapping[str, ValueKind] = _NO_KINDS) -> Any:
    """Return the value that `encode_value` wrote. Arrays use the buffers' memory.

    Args:
        header: the header.
        buffers: the buffers.
        kinds: as for `decode_call`.

    Raises:
        FrameError: the header is not one that `encode_value` writes, or does not fit the buffers.
    """
    known = _plain_values.read(header, buffers)
    if known is not None:
        return known[1]

    def build(tree: Any, decoder: Decoder) -> Any:
        value = decoder.value(tree)
        _plain_values.learn(header, "", tree, value)
        return value

    return _decode(header, buffers, kinds, build)


def _decode(
    header: bytes, buffers: Sequence[Any], kinds: Mapping[str, ValueKind], build: Callable[[Any, Decoder], Any]
) -> Any:
    try:
        tree = _parsed.get(header)
        if tree is None:
            tree = json.loads(str(header, "utf-8", "surrogatepass"))
            if len(header) <= _SHORT:
                _parsed.put(header, tree)
        decoder = Decoder(buffers, kinds)
        value = build(tree, decoder)
        decoder.finish()
        return value
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise FrameError(
            f"A frame's header does not describe a value: {error}",
            why="The peer runs another version, or the stream is damaged",
        ) from error


def _unsendable(error: Unsendable) -> UnsendableError:
    return UnsendableError(
        f"{error.path} cannot be sent to another process: {error.type_name}",
        why=error.reason
        or "Only plain values, arrays, frames and kinds of values of plugins have a typed form; objects are never pickled",
        fix="Convert it to one of these, write a kind of values for it, or use backend='local'",
        where=error.path,
        type_name=error.type_name,
    )


class Encoder:
    """Collects one frame's buffers while its tree is made."""

    __slots__ = ("buffers", "peer", "total")

    def __init__(self, peer: Peer | None) -> None:
        self.buffers: list[Any] = []
        self.peer = peer
        self.total = 0

    def at(self, path: str, value: Any) -> Any:
        """Return the tree of a value that errors call `path`."""
        try:
            return self.value(value, 0)
        except Unsendable as error:
            error.path = path + error.path
            raise

    def finish(self, tree: Any) -> bytes:
        """Return the header for the tree."""
        try:
            header = _dumps(tree).encode("utf-8", "surrogatepass")
        except ValueError as error:
            # More digits than Python converts (4300).
            raise Unsendable("an integer of thousands of digits", str(error), "a value") from None
        if len(header) > LIMITS.header or len(self.buffers) > LIMITS.buffers:
            raise Unsendable(
                f"{len(header)} bytes of small values and {len(self.buffers)} buffers",
                f"A frame holds at most {LIMITS.header} bytes of small values and {LIMITS.buffers} buffers; "
                "arrays and data frames hold more than nested lists",
                "The call or result",
            )
        return header

    def buffer(self, data: Any) -> None:
        """Add a buffer: `bytes` or an array of a plain dtype."""
        self.total += len(data) if type(data) is bytes else data.nbytes
        if self.total > LIMITS.total:
            raise Unsendable(f"{self.total} bytes", f"A frame holds at most {LIMITS.total} bytes")
        self.buffers.append(data)

    def value(self, value: Any, depth: int) -> Any:
        """Return the value's tree; `depth` counts how deep it lies."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if depth > MAX_DEPTH:
            raise Unsendable(f"values nested more than {MAX_DEPTH} deep", "They may contain themselves")
        encode = _ENCODERS.get(kind)
        if encode is not None:
            return encode(self, value, depth)
        if isinstance(value, np.generic):
            return _encode_scalar(self, value, depth)
        found = registry.find_sendable(kind)
        if found is None or self.peer is None:
            raise Unsendable(f"an object of type {kind.__module__}.{kind.__qualname__}")
        parts = found.send(found.settle(value))
        self.peer.sends(found)
        return {"x": [found.name, self.value(parts, depth + 1)]}


def _encode_string(encoder: Encoder, value: str, depth: int) -> Any:
    if len(value) <= _SHORT:
        return value
    # surrogatepass: what os.fsdecode makes of odd file names is a string too.
    encoder.buffer(value.encode("utf-8", "surrogatepass"))
    return {"s": 0}


def _encode_bytes(encoder: Encoder, value: bytes, depth: int) -> Any:
    encoder.buffer(value)
    return {"b": 0}


def _encode_list(encoder: Encoder, value: list[Any], depth: int) -> Any:
    kinds = set(map(type, value))
    if len(value) > _SHORT and kinds in ({float}, {int}):
        try:
            encoder.buffer(array("d" if float in kinds else "q", value).tobytes())
            return {"f" if float in kinds else "q": 0}
        except OverflowError:
            return list(value)
    if kinds <= _PLAIN:
        return list(value)
    if str in kinds and len(value) > 1 and kinds <= {str, type(None)} and sum(map(len, filter(None, value))) > _SHORT:
        return _encode_strings(encoder, value)
    return _encode_items(encoder, value, depth)


def _encode_items(encoder: Encoder, value: Sequence[Any], depth: int) -> list[Any]:
    tree = []
    index = 0
    try:
        for index, item in enumerate(value):  # noqa: B007 - the handler names the item
            tree.append(encoder.value(item, depth + 1))
    except Unsendable as error:
        error.path = f"[{index}]{error.path}"
        raise
    return tree


def _encode_tuple(encoder: Encoder, value: tuple[Any, ...], depth: int) -> Any:
    return {"t": _encode_items(encoder, value, depth)}


def _encode_dict(encoder: Encoder, value: dict[Any, Any], depth: int) -> Any:
    pairs = []
    key: Any = None
    try:
        for key, item in value.items():
            pairs.append([encoder.value(key, depth + 1), encoder.value(item, depth + 1)])
    except Unsendable as error:
        error.path = f"[{key!r}]{error.path}"
        raise
    return {"d": pairs}


def _encode_complex(encoder: Encoder, value: complex, depth: int) -> Any:
    return {"c": [value.real, value.imag]}


def _encode_scalar(encoder: Encoder, value: np.generic, depth: int) -> Any:
    spec = dtype_spec(value.dtype)
    if spec is None:
        raise Unsendable(f"a numpy scalar of dtype {value.dtype}")
    return {"n": [spec, np.asarray(value).tobytes().hex()]}


def _encode_array(encoder: Encoder, value: np.ndarray[Any, Any], depth: int) -> Any:
    spec = dtype_spec(value.dtype)
    if spec is None:
        return _encode_objects(encoder, value, depth)
    if value.nbytes <= COPIED:
        encoder.buffer(value.tobytes())
    elif value.flags.f_contiguous and not value.flags.c_contiguous:
        encoder.buffer(value.T)
        return {"a": [spec, list(value.shape), "F"]}
    else:
        encoder.buffer(value)
    return {"a": [spec, list(value.shape)]}


def _encode_objects(encoder: Encoder, value: np.ndarray[Any, Any], depth: int) -> Any:
    if value.dtype != object:
        raise Unsendable(f"an array of dtype {value.dtype}", "Its dtype has no form in plain bytes")
    items = value.ravel().tolist()
    for index, item in enumerate(items):
        if type(item) is not str and item is not None and not (type(item) is float and item != item):
            place = ", ".join(map(str, np.unravel_index(index, value.shape)))
            raise Unsendable(
                f"an array of objects, among them one of type {type(item).__module__}.{type(item).__qualname__}",
                "Arrays of dtype object may hold only strings, None and NaN",
                f"[{place}]",
            )
    return {"o": [list(value.shape), _encode_strings(encoder, items)]}


def _encode_strings(encoder: Encoder, items: Sequence[Any]) -> Any:
    """Strings as one text and their lengths; None and NaN as the lengths -1 and -2."""
    lengths = array("q", [len(item) if type(item) is str else -1 if item is None else -2 for item in items])
    encoder.buffer("".join([item for item in items if type(item) is str]).encode("utf-8", "surrogatepass"))
    encoder.buffer(lengths.tobytes())
    return {"S": 0}


_ENCODERS: dict[type, Callable[[Encoder, Any, int], Any]] = {
    str: _encode_string,
    bytes: _encode_bytes,
    list: _encode_list,
    tuple: _encode_tuple,
    dict: _encode_dict,
    complex: _encode_complex,
    np.ndarray: _encode_array,
    # A mapped array is only another place for the same bytes.
    np.memmap: _encode_array,
}


class Decoder:
    """Makes one frame's values, taking its buffers in order."""

    __slots__ = ("_buffers", "kinds")

    def __init__(self, buffers: Sequence[Any], kinds: Mapping[str, ValueKind]) -> None:
        self._buffers: Iterator[Any] = iter(buffers)
        self.kinds = kinds

    def buffer(self, *, may_change: bool = False) -> Any:
        """Return the next buffer; one that its sender may change only where that may be."""
        for buffer in self._buffers:
            if type(buffer) is Lent and not may_change:
                raise ValueError("what is no array of floating-point numbers lies in memory that its sender may change")
            return buffer
        raise ValueError("there are fewer buffers than the header mentions")

    def finish(self) -> None:
        """Raise ValueError if buffers are left."""
        for _ in self._buffers:
            raise ValueError("there are more buffers than the header mentions")

    def value(self, node: Any, depth: int = 0) -> Any:
        """Return the value that a tree describes."""
        kind = type(node)
        if kind is dict:
            if depth > 2 * MAX_DEPTH:
                raise ValueError("values nest too deep")
            ((tag, body),) = node.items()
            return _DECODERS[tag](self, body, depth + 1)
        if kind is list:
            if depth > 2 * MAX_DEPTH:
                raise ValueError("values nest too deep")
            return [self.value(item, depth + 1) for item in node]
        return node


def _decode_list_of(code: str) -> Callable[[Decoder, Any, int], Any]:
    def decode(decoder: Decoder, body: Any, depth: int) -> Any:
        numbers = array(code)
        numbers.frombytes(bytes(decoder.buffer()))
        return numbers.tolist()

    return decode


def _decode_array(decoder: Decoder, body: Any, depth: int) -> Any:
    spec, shape, *order = body
    if order not in ([], ["F"]):
        raise ValueError("an array's order is neither C nor F")
    dtype = dtype_from(spec)
    buffer = decoder.buffer(may_change=decides_nothing(dtype))
    size = dtype.itemsize
    for length in shape_from(shape):
        size *= length
    if size != len(buffer):
        raise ValueError(f"{len(buffer)} bytes do not make an array of shape {shape} and dtype {dtype}")
    # Without bytes there is nothing to use: numpy does not take an empty buffer for every shape.
    return np.ndarray(shape, dtype, buffer if size else None, order="F" if order else "C")


def _decode_scalar(decoder: Decoder, body: Any, depth: int) -> Any:
    spec, data = body
    dtype = dtype_from(spec)
    raw = bytes.fromhex(data)
    if len(raw) != dtype.itemsize:
        raise ValueError(f"{len(raw)} bytes do not make a scalar of dtype {dtype}")
    return np.ndarray((), dtype, bytearray(raw) if raw else None)[()]


def _decode_strings(decoder: Decoder, body: Any, depth: int) -> list[Any]:
    text = str(memoryview(decoder.buffer()), "utf-8", "surrogatepass")
    lengths = array("q")
    lengths.frombytes(bytes(decoder.buffer()))
    items: list[Any] = []
    position = 0
    for length in lengths:
        if length < 0:
            items.append(_MISSING[-1 - length])
        else:
            items.append(text[position : position + length])
            position += length
    if position != len(text):
        raise ValueError("strings and their lengths do not fit each other")
    return items


def _decode_objects(decoder: Decoder, body: Any, depth: int) -> Any:
    shape, strings = body
    items = decoder.value(strings, depth)
    flat = np.empty(len(items), object)
    flat[:] = items
    return flat.reshape(shape_from(shape))


def _decode_kind(decoder: Decoder, body: Any, depth: int) -> Any:
    name, node = body
    kind = decoder.kinds.get(name)
    if kind is None:
        raise ValueError(f"values of the kind {str(name)[:80]!r} were not agreed on")
    parts = decoder.value(node, depth)
    try:
        return kind.receive(parts)
    except Exception as error:  # kinds and the libraries behind them raise errors of their own; the cause is chained
        raise ValueError(f"the kind {name!r} cannot make a value of what came: {error}") from error


_DECODERS: dict[str, Callable[[Decoder, Any, int], Any]] = {
    "s": lambda decoder, body, depth: str(memoryview(decoder.buffer()), "utf-8", "surrogatepass"),
    "b": lambda decoder, body, depth: bytes(decoder.buffer()),
    "f": _decode_list_of("d"),
    "q": _decode_list_of("q"),
    "t": lambda decoder, body, depth: tuple([decoder.value(item, depth) for item in body]),
    "d": lambda decoder, body, depth: {decoder.value(key, depth): decoder.value(item, depth) for key, item in body},
    "c": lambda decoder, body, depth: complex(*body),
    "n": _decode_scalar,
    "a": _decode_array,
    "o": _decode_objects,
    "S": _decode_strings,
    "x": _decode_kind,
}

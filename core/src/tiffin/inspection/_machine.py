"""The inert unpickler: follows a pickle's operations and calls nothing.

Every global is a stub that is only noted, and every object that the pickle would make is an empty stand-in. So nothing that
the file names is imported, and nothing runs. What it cannot follow is a problem, and a problem counts as much as a
dangerous name: it never passes for safe. Memory is bounded: of what a pickle holds, only what may become a name, or the
size of an array, is kept.

The opcodes are those of Python's pickletools; the frame of raw array data is that of joblib's NumpyArrayWrapper.
"""

from __future__ import annotations

import _compat_pickle
import codecs
import pickle
from collections.abc import Callable
from math import prod
from typing import Any

from tiffin.inspection import _numpy
from tiffin.inspection._limits import InspectionLimits
from tiffin.inspection._source import Source
from tiffin.inspection._values import ATTRIBUTES, LIST, OPAQUE, SET, Dtype, Fields, Made, Marker, Name, Unfollowable

WRAPPERS = frozenset(
    {"joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper"}
)
_NAME = 256
"""Characters up to which a text is kept: it may become a name."""
_KEPT_TUPLE = 16
_KEPT_TEXT = 32 << 20
"""Characters that the memo keeps, of all texts together."""
_DEEP = 1 << 16
"""Objects on the stack from which on texts are not kept."""
_MAX_PROBLEMS = 20


class Machine:
    """Follows one pickle of a stream.

    Args:
        source: read from where it is, to the end of the pickle.
        limits: how much to do.
        found: noted here: dotted names, as "module.name", or "module:Outer.name" where the name has dots.
        problems: noted here: what it does that no honest pickle does.
        nested: follows a pickle within the stream where joblib keeps one; `None` where the reader is not joblib, and takes
            raw arrays for operations.
    """

    def __init__(
        self,
        source: Source,
        limits: InspectionLimits,
        found: set[str],
        problems: list[str],
        nested: Callable[[], None] | None = None,
    ) -> None:
        self.source = source
        self.limits = limits
        self.found = found
        self.problems = problems
        self.nested = nested
        self.wrappers = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.below = 0
        self.memo: dict[int, Any] = {}
        self.dense = 0
        self.sparse: set[int] = set()
        self.kept_text = 0
        self.protocol = 0
        self.frame_end = 0

    def run(self) -> None:
        """Follow the pickle to its end.

        Raises:
            Unfollowable: it is damaged, or does what cannot be followed.
        """
        byte = self.source.byte
        limit = self.limits.max_operations
        try:
            while True:
                code = byte()
                operation = _OPERATIONS[code]
                if operation is None:
                    raise Unfollowable(f"it has an unknown operation {code:#04x} at {self.source.position - 1}")
                if operation is _STOP:
                    break
                operation(self)
                limit -= 1
                if not limit & 1023:
                    self._check(limit)
            self.consume(self.stack.pop())
        except EOFError as error:
            raise Unfollowable("it is cut off") from error
        # A pickle that takes more from the stack than there is, or a text that is no text, is damaged.
        except (IndexError, ValueError) as error:
            raise Unfollowable(f"it is damaged before {self.source.position}: {error}") from error
        if self.source.position < self.frame_end:
            raise Unfollowable("it ends before its frame does, and something may be hidden there")

    def _check(self, limit: int) -> None:
        if limit <= 0:
            raise Unfollowable(f"it has more than {self.limits.max_operations} operations")
        if len(self.stack) + self.below > self.limits.max_objects or len(self.sparse) > self.limits.max_objects:
            raise Unfollowable(f"it keeps more than {self.limits.max_objects} objects at once")

    def problem(self, text: str) -> None:
        """Note a problem, once."""
        if text not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)

    # -- stack, marks and memo -----------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Begin a group."""
        if len(self.marks) >= self.limits.max_objects // 10:
            raise Unfollowable("it nests too deeply")
        self.below += len(self.stack)
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """End a group, and return it."""
        items = self.stack
        self.stack = self.marks.pop()
        self.below -= len(self.stack)
        return items

    def pop(self) -> None:
        """Drop the top of the stack, or an empty group."""
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def put(self, index: int) -> None:
        """Keep the top of the stack. Which indexes are taken is known exactly, since later ones depend on it."""
        value = self.stack[-1]
        if index < 0:
            raise Unfollowable("it uses a negative memo index")
        if index == self.dense:
            self.dense += 1
        elif index > self.dense:
            self.sparse.add(index)
        while self.dense in self.sparse:
            self.sparse.discard(self.dense)
            self.dense += 1
        if isinstance(value, str):
            self.kept_text += len(value)
        full = len(self.memo) >= self.limits.max_objects
        if full and not isinstance(value, (str, Marker)):
            raise Unfollowable(f"it keeps more than {self.limits.max_objects} objects at once")
        if value is OPAQUE or full or (isinstance(value, str) and self.kept_text > _KEPT_TEXT):
            self.memo.pop(index, None)
        else:
            self.memo[index] = value

    def memoize(self) -> None:
        """Keep the top of the stack under the next index."""
        self.put(self.dense + len(self.sparse))

    def get(self, index: int) -> None:
        """Push what was kept; a value that does not matter where it was not kept."""
        if not (0 <= index < self.dense or index in self.sparse):
            raise Unfollowable(f"it takes {index} from its memo, which is not there")
        self.stack.append(self.memo.get(index, OPAQUE))

    def text(self, data: bytes | None, encoding: str = "utf-8", errors: str = "surrogatepass") -> None:
        """Push a text; one that is too long for a name does not matter."""
        if data is None or len(data) > _NAME or len(self.stack) + self.below > _DEEP:
            self.stack.append(OPAQUE)
            return
        value = str(data, encoding, errors)
        if value in ATTRIBUTES:
            self.problem(f"it names the attribute {value}")
        self.stack.append(value)

    def counted(self, width: int, *, text: bool = False, kept: bool = True) -> None:
        """Push what follows a length of `width` bytes."""
        length = int.from_bytes(self.source.read(width), "little")
        if text and length <= _NAME:
            data = self.source.read(length)
            if kept:
                self.text(data)
                return
            try:  # an 8-bit string of Python 2: read as ASCII, unless the reader says otherwise
                self.text(data, "ascii", "strict")
            except UnicodeDecodeError:
                self.stack.append(OPAQUE)
            return
        self.source.skip(length)
        self.stack.append(OPAQUE)

    # -- what would import ---------------------------------------------------------------------------------------------

    def note(self, module: Any, name: Any) -> Name:
        """Note a global as the unpickler would look it up, with the names of Python 2 translated."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise Unfollowable("it computes the name of what it imports")
        if self.protocol < 3:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        # "a.b" of module "c" is another thing than "b" of module "c.a", and must not be written like it.
        dotted = f"{module}:{name}" if "." in name else f"{module}.{name}"
        self.found.add(dotted)
        if len(self.found) > self.limits.max_members:
            raise Unfollowable(f"it names more than {self.limits.max_members} globals")
        return Name(dotted)

    def read_name(self) -> Name:
        """Read a global's module and name, a line each."""
        lines = self.source.line(), self.source.line()
        if lines[0] is None or lines[1] is None:
            raise Unfollowable("it names a global with a very long name")
        return self.note(lines[0].decode(), lines[1].decode())

    def load_global(self) -> None:
        """Note a global."""
        self.stack.append(self.read_name())

    def load_stack_global(self) -> None:
        """Note a global whose name stands on the stack."""
        name = self.stack.pop()
        self.stack.append(self.note(self.stack.pop(), name))

    # -- what would run ------------------------------------------------------------------------------------------------

    def load_inst(self) -> None:
        """Stand in for an instance."""
        of = self.read_name()
        self.call(of, tuple(self.pop_mark()), "INST")

    def load_obj(self) -> None:
        """Stand in for an instance."""
        items = self.pop_mark()
        self.call(items[0], tuple(items[1:]), "OBJ")

    def load_newobj(self, keywords: bool = False) -> None:
        """Stand in for an instance."""
        if keywords:
            named = self.stack.pop()
            self.consume(named)
            if not isinstance(named, Fields) or named.unsure:
                self.problem("it computes the names of arguments")
        arguments = self.stack.pop()
        self.call(self.stack.pop(), arguments, "NEWOBJ")

    def load_reduce(self) -> None:
        """Stand in for the result of a call."""
        arguments = self.stack.pop()
        self.call(self.stack.pop(), arguments, "REDUCE")

    def call(self, of: Any, arguments: Any, how: str) -> None:
        """Push a stand-in for the result of a call."""
        if not isinstance(of, Name):
            self.problem("it calls what it made or computed")
            self.consume(arguments)
            self.stack.append(Made(""))
        elif of.dotted in _numpy.TYPES or of.dotted in _numpy.TAKE_TYPES:
            self.stack.append(_numpy.call(self, of.dotted, arguments, how))
        else:
            self.consume(arguments)
            self.stack.append(Made(of.dotted))

    def consume(self, value: Any) -> None:
        """Note that a value goes into something.

        numpy's own classes make arrays of what lies in memory when they are called with chosen arguments, so they may stand
        only where numpy itself puts them. And a dtype that arrays were made with must not change any more.
        """
        if isinstance(value, Name):
            if value.dotted in _numpy.TYPES:
                self.problem(f"it uses {value.dotted} otherwise than numpy does")
        elif isinstance(value, Dtype):
            value.used = True
        elif isinstance(value, Fields):
            value.used = True
            if value.has_type:
                self.problem("it uses a class of numpy's otherwise than numpy does")
        elif isinstance(value, tuple):
            for item in value:
                self.consume(item)

    def load_build(self) -> None:
        """Pass over the state that would be set; behind joblib's array wrappers skip the raw data."""
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Made):
            self.problem("it changes something that it did not make")
        if isinstance(target, Dtype):
            _numpy.build(self, target, state)
            return
        for part in state if isinstance(state, tuple) else (state,):
            # An attribute's name that the pickle computes could be one of those that it must not set.
            if isinstance(part, Fields) and part.unsure:
                self.problem("it computes the names of attributes")
        if isinstance(state, (Made, Name)):
            self.problem("it computes the state of what it makes")
        wrapper = isinstance(target, Made) and target.kind in WRAPPERS
        if not wrapper:
            self.consume(state)
        else:
            self.wrappers += 1
            if self.nested is not None:
                self._skip_array(state)
                self.stack[-1] = Made("numpy.ndarray")

    def _skip_array(self, state: Any) -> None:
        if not isinstance(state, Fields) or state.unsure:
            raise Unfollowable("it holds an array whose size cannot be told")
        shape, dtype = state.items.get("shape"), state.items.get("dtype")
        if not isinstance(dtype, Dtype) or not isinstance(shape, tuple) or not all(type(n) is int for n in shape):
            raise Unfollowable("it holds an array whose size cannot be told")
        if min(shape, default=0) < 0 or prod(shape) >= 1 << 48:
            raise Unfollowable("it holds an array of an impossible size")
        if self.source.position < self.frame_end:
            raise Unfollowable("it holds an array within a frame")
        if dtype.has_objects:
            assert self.nested is not None
            self.nested()
            return
        if state.items.get("numpy_array_alignment_bytes") is not None:
            self.source.skip(self.source.byte())
        self.source.skip(prod(shape) * dtype.size)

    # -- containers ----------------------------------------------------------------------------------------------------

    def make_tuple(self, items: list[Any]) -> None:
        """Push a tuple; one that is long or deep does not matter."""
        if not items:
            self.stack.append(())
            return
        value = tuple(items)
        if len(value) <= _KEPT_TUPLE and _depth(value) <= 4:
            for item in value:
                if isinstance(item, Dtype):
                    item.used = True
                elif isinstance(item, tuple):
                    self.consume(item)
            self.stack.append(value)
        else:
            self.consume(value)
            self.stack.append(OPAQUE)

    def tuple_of(self, count: int) -> None:
        """Push a tuple of the top of the stack."""
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError("its stack is empty")
        del self.stack[-count:]
        self.make_tuple(items)

    def extend(self, target: Any, items: list[Any], kind: Marker) -> None:
        """Add items to a list, a set or what was made."""
        for item in items:
            self.consume(item)
        if target is not kind and not isinstance(target, Made):
            self.problem("it changes something that it did not make")

    def push_list(self, items: list[Any]) -> None:
        """Push a list."""
        self.extend(LIST, items, LIST)
        self.stack.append(LIST)

    def push_dict(self, items: list[Any]) -> None:
        """Push a dict."""
        self.stack.append(Fields())
        self.set_items(items)

    def push_frozenset(self, items: list[Any]) -> None:
        """Push a frozenset."""
        self.extend(SET, items, SET)
        self.stack.append(OPAQUE)

    def set_items(self, items: list[Any]) -> None:
        """Set items of the dict, or of what was made, on top of the stack."""
        target = self.stack[-1]
        if len(items) % 2:
            raise IndexError("it sets a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.consume(key)
            if key == "subclass" and isinstance(target, Fields) and isinstance(value, Name) and not target.used:
                target.has_type = target.has_type or value.dotted in _numpy.TYPES
            else:
                self.consume(value)
            if isinstance(target, Fields):
                target.put(key, value)
        if isinstance(target, Fields):
            if target.frozen:
                self.problem("it changes the fields of a dtype that is in use")
        elif not isinstance(target, Made):
            self.problem("it changes something that it did not make")
        elif not target.kind.startswith("collections.") and any(isinstance(key, Made) for key in items[::2]):
            self.problem("it computes the names of attributes")  # some classes take items for attributes

    # -- plain values --------------------------------------------------------------------------------------------------

    def push(self, value: Any) -> None:
        """Push a value."""
        self.stack.append(value)

    def line_number(self) -> None:
        """Push a number that is written as text."""
        line = self.source.line()
        digits = line.rstrip(b"L") if line is not None else b""
        self.stack.append(int(digits) if 0 < len(digits) <= 18 else OPAQUE)

    def line_index(self) -> int:
        """Return a memo index that is written as text."""
        line = self.source.line()
        if line is None or len(line) > 18:
            raise Unfollowable("it uses an impossible memo index")
        return int(line)

    def line_string(self) -> None:
        """Push an 8-bit string that is written with quotes."""
        line = self.source.line()
        if line is None or len(line) > _NAME:
            self.stack.append(OPAQUE)
            return
        try:
            self.text(codecs.escape_decode(line.strip()[1:-1])[0], "ascii", "strict")
        except UnicodeDecodeError:
            self.stack.append(OPAQUE)

    def line_text(self) -> None:
        """Push a text that is written with escapes."""
        line = self.source.line()
        self.text(line, "raw-unicode-escape", "strict")

    def skip_line(self) -> None:
        """Push a number that does not matter."""
        self.source.line()
        self.stack.append(OPAQUE)

    def skip_bytes(self, count: int) -> None:
        """Push a value that does not matter."""
        self.source.skip(count)
        self.stack.append(OPAQUE)

    def number(self, width: int, *, signed: bool = False) -> int:
        """Return a number of `width` bytes."""
        return int.from_bytes(self.source.read(width), "little", signed=signed)

    def long(self, width: int) -> None:
        """Push a number of any length."""
        length = self.number(width)
        if length <= 8:
            self.stack.append(self.number(length, signed=True))
        else:
            self.skip_bytes(length)

    def proto(self) -> None:
        """Note the protocol."""
        self.protocol = self.source.byte()
        if self.protocol > pickle.HIGHEST_PROTOCOL:
            raise Unfollowable(f"it is of the unknown pickle protocol {self.protocol}")

    def frame(self) -> None:
        """Note where a frame ends."""
        length = self.number(8)
        if self.source.position < self.frame_end:
            raise Unfollowable("it begins a frame within a frame")
        self.frame_end = self.source.position + length

    def refuse(self, what: str) -> None:
        """Refuse what only the reader, or the program that registered it, knows the meaning of."""
        raise Unfollowable(f"it uses {what}")

    def buffer(self) -> None:
        """Stand in for a buffer that lies outside the pickle."""
        self.stack.append(OPAQUE)


def _depth(value: Any) -> int:
    return 1 + max(map(_depth, value), default=0) if isinstance(value, tuple) else 0


def _STOP(_: Machine) -> None:
    """Stand for the end."""


def _operations() -> list[Callable[[Machine], Any] | None]:
    p = pickle
    named: dict[bytes, Callable[[Machine], Any]] = {
        p.STOP: _STOP, p.MARK: Machine.mark, p.POP: Machine.pop, p.POP_MARK: Machine.pop_mark,
        p.DUP: lambda m: m.push(m.stack[-1]), p.PROTO: Machine.proto, p.FRAME: Machine.frame,
        p.MEMOIZE: Machine.memoize, p.PUT: lambda m: m.put(m.line_index()),
        p.BINPUT: lambda m: m.put(m.source.byte()), p.LONG_BINPUT: lambda m: m.put(m.number(4)),
        p.GET: lambda m: m.get(m.line_index()), p.BINGET: lambda m: m.get(m.source.byte()),
        p.LONG_BINGET: lambda m: m.get(m.number(4)),
        p.NONE: lambda m: m.push(None), p.NEWTRUE: lambda m: m.push(True), p.NEWFALSE: lambda m: m.push(False),
        p.INT: Machine.line_number, p.LONG: Machine.line_number, p.FLOAT: Machine.skip_line,
        p.BININT: lambda m: m.push(m.number(4, signed=True)), p.BININT1: lambda m: m.push(m.source.byte()),
        p.BININT2: lambda m: m.push(m.number(2)), p.LONG1: lambda m: m.long(1), p.LONG4: lambda m: m.long(4),
        p.BINFLOAT: lambda m: m.skip_bytes(8), p.STRING: Machine.line_string,
        p.BINSTRING: lambda m: m.counted(4, text=True, kept=False),
        p.SHORT_BINSTRING: lambda m: m.counted(1, text=True, kept=False),
        p.BINBYTES: lambda m: m.counted(4), p.SHORT_BINBYTES: lambda m: m.counted(1), p.BINBYTES8: lambda m: m.counted(8),
        p.BYTEARRAY8: lambda m: m.counted(8), p.UNICODE: Machine.line_text,
        p.BINUNICODE: lambda m: m.counted(4, text=True), p.SHORT_BINUNICODE: lambda m: m.counted(1, text=True),
        p.BINUNICODE8: lambda m: m.counted(8, text=True),
        p.EMPTY_TUPLE: lambda m: m.push(()), p.TUPLE: lambda m: m.make_tuple(m.pop_mark()),
        p.TUPLE1: lambda m: m.tuple_of(1), p.TUPLE2: lambda m: m.tuple_of(2), p.TUPLE3: lambda m: m.tuple_of(3),
        p.EMPTY_LIST: lambda m: m.push(LIST), p.LIST: lambda m: m.push_list(m.pop_mark()),
        p.APPEND: lambda m: m.extend(m.stack[-2], [m.stack.pop()], LIST),
        p.APPENDS: lambda m: m.extend(*_onto(m), LIST),
        p.EMPTY_DICT: lambda m: m.push(Fields()), p.DICT: lambda m: m.push_dict(m.pop_mark()),
        p.SETITEM: lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),
        p.SETITEMS: lambda m: m.set_items(m.pop_mark()),
        p.EMPTY_SET: lambda m: m.push(SET), p.ADDITEMS: lambda m: m.extend(*_onto(m), SET),
        p.FROZENSET: lambda m: m.push_frozenset(m.pop_mark()),
        p.GLOBAL: Machine.load_global, p.STACK_GLOBAL: Machine.load_stack_global, p.INST: Machine.load_inst,
        p.OBJ: Machine.load_obj, p.NEWOBJ: Machine.load_newobj, p.NEWOBJ_EX: lambda m: m.load_newobj(True),
        p.REDUCE: Machine.load_reduce, p.BUILD: Machine.load_build,
        p.PERSID: lambda m: m.refuse("a persistent id"), p.BINPERSID: lambda m: m.refuse("a persistent id"),
        p.EXT1: lambda m: m.refuse("a copyreg extension"), p.EXT2: lambda m: m.refuse("a copyreg extension"),
        p.EXT4: lambda m: m.refuse("a copyreg extension"), p.NEXT_BUFFER: Machine.buffer,
        p.READONLY_BUFFER: lambda m: None,
    }  # fmt: skip
    table: list[Callable[[Machine], Any] | None] = [None] * 256
    for opcode, operation in named.items():
        table[opcode[0]] = operation
    return table


def _onto(machine: Machine) -> tuple[Any, list[Any]]:
    items = machine.pop_mark()
    return machine.stack[-1], items


_OPERATIONS = _operations()

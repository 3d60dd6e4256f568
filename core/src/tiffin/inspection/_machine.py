"""The inert unpickler: follows a pickle's operations and calls nothing.

Every global is a stub that is only noted, and every object that the pickle would make is an empty stand-in. So nothing that
the file names is imported, and nothing runs. What it cannot follow is a problem, and a problem counts as much as a
dangerous name: it never passes for safe. Memory is bounded: of what a pickle holds, only what may become a name, or the
size of an array, is kept.

The opcodes are those of Python's pickletools; the frame of raw array data is that of joblib's NumpyArrayWrapper.
"""

from __future__ import annotations

import _compat_pickle
import pickle
from collections.abc import Callable
from math import prod
from typing import Any

from tiffin.inspection import _numpy
from tiffin.inspection._inert import LIST, OPAQUE, SET, Dtype, Fields, Made, Marker, Name, Unfollowable
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._source import Source
from tiffin.inspection._stack import Stack

WRAPPERS = frozenset({"joblib.numpy_pickle.NumpyArrayWrapper"})
_KEPT_TUPLE = 16


class Machine(Stack):
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
        super().__init__(source, limits, problems)
        self.found = found
        self.nested = nested
        self.wrappers = 0
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
        elif not target.kind.startswith("collections.") and any(
            isinstance(key, Made) or key is OPAQUE for key in items[::2]
        ):
            self.problem("it computes the names of attributes")  # some classes take items for attributes

    # -- the stream ----------------------------------------------------------------------------------------------------

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

"""The one parser of pickles: protocols 2 to 5, and joblib's files, onto a tape.

It reads only what the writers of Python, of cloudpickle and of joblib write, in the one way that all readers share. What some
reader would take otherwise is refused: an argument that crosses its frame's end, a memo index that no writer uses, a number
written as text, a name that is no text. It imports and calls nothing, and takes time and memory in proportion to the stream.

The opcodes are those of Python's pickletools.
"""

from __future__ import annotations

import _compat_pickle
import struct
from collections.abc import Callable
from typing import Any

from tiffin.inspection._inert_dtype import InertDtype
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._joblib_array import read_state, take_elements
from tiffin.inspection.tape import (
    ADD,
    BUFFER,
    CALL,
    DICT,
    DTYPE,
    EXTEND,
    FROZENSET,
    LIST,
    MAKE,
    NEW,
    SET,
    SET_ITEMS,
    TUPLE,
    Node,
    Tape,
    Unfollowable,
    is_array,
    is_name,
    is_wrapper,
)

_float = struct.Struct(">d").unpack_from
_int4 = struct.Struct("<i").unpack_from
_uint2 = struct.Struct("<H").unpack_from
_uint4 = struct.Struct("<I").unpack_from
_uint8 = struct.Struct("<Q").unpack_from

_KEPT_ITEMS = 200
"""Operands of a dict that are kept on its node: the state of joblib's wrappers, the fields of a dtype."""
_NAME = 500
"""Bytes of a module's name, and of a name, that stand on lines."""
_ABSENT = object()
"""What the memo holds where an old writer, which counts from 1, put nothing."""

Persistent = Callable[[Any], Any]
"""Returns the operand that a persistent id stands for; raises Unfollowable for one that it does not know."""


def parse_pickle(
    tape: Tape,
    view: memoryview,
    *,
    joblib: bool = False,
    limits: InspectionLimits | None = None,
    persistent: Persistent | None = None,
) -> None:
    """Read one pickle onto a tape.

    Args:
        tape: written on; after an error it holds what was read before.
        view: the whole stream, as bytes. Arrays of joblib's stay views of it.
        joblib: whether joblib reads it, which takes the bytes behind its wrappers for arrays.
        limits: how much to do.
        persistent: what persistent ids mean, for formats that use them; else they are refused.

    Raises:
        Unfollowable: the stream is no pickle, is damaged, or says what is refused; or anything follows it.
    """
    limits = limits or InspectionLimits()
    tape.size += len(view)
    try:
        tape.result, end = _Parser(tape, view, limits, joblib, persistent).run(0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise Unfollowable(f"it is damaged or cut off: {error}") from error
    if end != len(view):
        raise Unfollowable(f"it goes on behind its end, at {end}")


class _Parser:
    """Reads one stream: the usual operations in a loop, the rare ones by a table."""

    def __init__(
        self,
        tape: Tape,
        view: memoryview,
        limits: InspectionLimits,
        joblib: bool,
        persistent: Persistent | None,
        depth: int = 0,
    ) -> None:
        self.tape = tape
        self.view = view
        self.limits = limits
        self.joblib = joblib
        self.persistent = persistent
        self.depth = depth
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: list[Any] = []
        self.position = 0
        self.frame_end = 0
        self.buffers = 0
        self.fields = 0
        self.new_buffer = -1
        self.protocol = 0

    def run(self, position: int) -> tuple[Any, int]:
        """Read a pickle from a position on; return its operand and the position behind it."""
        if self.depth > self.limits.max_depth:
            raise Unfollowable(f"it is nested more than {self.limits.max_depth} levels deep")
        view, tape, memo = self.view, self.tape, self.memo
        events = tape.events
        add_event, put = events.append, memo.append
        size = len(view)
        stack = self.stack
        self.protocol = _protocol(view, position)
        self.position = position = position + 2
        left = self.limits.max_operations
        most = self.limits.max_objects
        rare = _RARE
        frame_end = self.frame_end
        while True:
            code = view[position]
            begin = position
            position += 1
            left -= 1
            if code == 0x94:  # MEMOIZE
                if memo and memo[0] is _ABSENT:
                    raise Unfollowable("it counts its memo in two ways")
                put(stack[-1])
            elif code == 0x68:  # BINGET
                index = view[position]
                stack.append(memo[index] if 0 < index < len(memo) else self.recall(index))
                position += 1
            elif code == 0x8C:  # SHORT_BINUNICODE
                end = position + 1 + view[position]
                if end > size:
                    raise Unfollowable("it is cut off")
                stack.append(str(view[position + 1 : end], "utf-8"))
                position = end
            elif code == 0x4B:  # BININT1
                stack.append(view[position])
                position += 1
            elif code == 0x4E:  # NONE
                stack.append(None)
            elif code == 0x6A:  # LONG_BINGET
                index = _uint4(view, position)[0]
                stack.append(memo[index] if 0 < index < len(memo) else self.recall(index))
                position += 4
            elif code == 0x71:  # BINPUT
                self.put(view[position], stack)
                position += 1
            elif code == 0x72:  # LONG_BINPUT
                self.put(_uint4(view, position)[0], stack)
                position += 4
            elif code == 0x28:  # MARK
                self.marks.append(stack)
                self.stack = stack = []
                if len(self.marks) > most:
                    raise Unfollowable("it nests too deeply")
            elif code in _TUPLES:  # EMPTY_TUPLE, TUPLE1 to TUPLE3
                count = _TUPLES[code]
                items = tuple(stack[len(stack) - count :]) if len(stack) >= count else _underflow()
                if count:
                    del stack[-count:]
                stack.append(self.make_tuple(items))
            elif code == 0x74:  # TUPLE
                items = tuple(stack)
                self.stack = stack = self.marks.pop()
                stack.append(self.make_tuple(items))
            elif code == 0x52:  # REDUCE
                arguments, of = stack.pop(), stack.pop()
                if is_name(of, "numpy", "dtype"):
                    node = Node(DTYPE, InertDtype.from_call(arguments))
                else:
                    node = Node(CALL, of, arguments)
                add_event((MAKE, node, None))
                stack.append(node)
            elif code == 0x81:  # NEWOBJ
                arguments = stack.pop()
                node = Node(NEW, stack.pop(), arguments)
                add_event((MAKE, node, None))
                stack.append(node)
            elif code == 0x62:  # BUILD
                state = stack.pop()
                position = self.build(stack, state, position)
                frame_end = self.frame_end
            elif code in (0x75, 0x73):  # SETITEMS, SETITEM
                if code == 0x75:
                    operands = stack
                    self.stack = stack = self.marks.pop()
                else:
                    value = stack.pop()
                    operands = [stack.pop(), value]
                self.set_items(stack[-1], operands)
            elif code in (0x65, 0x61):  # APPENDS, APPEND
                if code == 0x65:
                    operands = stack
                    self.stack = stack = self.marks.pop()
                else:
                    operands = [stack.pop()]
                node = stack[-1]
                if node.__class__ is not Node or node.kind not in (LIST, CALL, NEW):
                    raise Unfollowable("it appends to something that it did not make")
                add_event((EXTEND, node, operands))
            elif code == 0x7D or code == 0x5D or code == 0x8F:  # EMPTY_DICT, EMPTY_LIST, EMPTY_SET
                node = Node(DICT, None, []) if code == 0x7D else Node(LIST if code == 0x5D else SET)
                add_event((MAKE, node, None))
                stack.append(node)
            elif code == 0x47:  # BINFLOAT
                stack.append(_float(view, position)[0])
                position += 8
            elif code == 0x4A:  # BININT
                stack.append(_int4(view, position)[0])
                position += 4
            elif code == 0x4D:  # BININT2
                stack.append(_uint2(view, position)[0])
                position += 2
            elif code == 0x88 or code == 0x89:  # NEWTRUE, NEWFALSE
                stack.append(code == 0x88)
            elif code == 0x93:  # STACK_GLOBAL
                name = stack.pop()
                stack.append(self.name(stack.pop(), name))
            elif code == 0x2E:  # STOP
                break
            elif code == 0x95:  # FRAME
                if frame_end and begin != frame_end:
                    raise Unfollowable("it begins a frame within a frame")
                position += 8
                self.frame_end = frame_end = position + _uint8(view, begin + 1)[0]
                if frame_end > size:
                    raise Unfollowable("it is cut off within a frame")
                continue
            else:
                operation = rare.get(code)
                if operation is None:
                    raise Unfollowable(
                        f"it has the operation {code:#04x}, of no writer of protocols 2 to 5, at {begin}"
                    )
                self.position = position
                operation(self)
                position, stack = self.position, self.stack
            if left < 0 or len(events) > most:
                raise Unfollowable(f"it has more than {self.limits.max_operations} operations or {most} objects")
            if frame_end and position >= frame_end:
                if position > frame_end:
                    raise Unfollowable("it has an argument that crosses its frame's end")
                if position < size and view[position] != 0x95:
                    self.frame_end = frame_end = 0
        if frame_end and position != frame_end:
            raise Unfollowable("it ends before its frame does, and something may be hidden there")
        if len(stack) != 1 or self.marks:
            raise Unfollowable("it leaves values on its stack")
        return stack[0], position

    # -- what the operations share -------------------------------------------------------------------------------------

    def name(self, module: Any, name: Any) -> Node:
        """Return the node of a name, those of Python 2 translated as unpicklers do it."""
        if type(module) is not str or type(name) is not str:
            raise Unfollowable("it computes the name of what it imports")
        if self.protocol < 4 and "." in name:  # only later protocols look into what they found
            raise Unfollowable("it names something in a class, which its protocol cannot")
        if self.protocol < 3:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        if len(self.tape.names) > self.limits.max_members:
            raise Unfollowable(f"it names more than {self.limits.max_members} globals")
        return self.tape.name(module, name)

    def put(self, index: int, stack: list[Any]) -> None:
        """Keep the top of the stack under the index that is next; writers count from 0, very old ones from 1."""
        memo = self.memo
        if index == 1 and not memo:
            memo.append(_ABSENT)
        if index != len(memo):
            raise Unfollowable(f"it uses the memo index {index}, where every writer has {len(memo)}")
        memo.append(stack[-1])

    def recall(self, index: int) -> Any:
        """Return what was kept."""
        if index >= len(self.memo) or self.memo[index] is _ABSENT:
            raise Unfollowable(f"it takes {index} from its memo, which is not there")
        return self.memo[index]

    def make_tuple(self, items: Any) -> Any:
        """Return a tuple of operands: a constant where they are, which nobody walks again."""
        for item in items:
            if item.__class__ is Node:
                node = Node(TUPLE, None, items)
                self.tape.events.append((MAKE, node, None))
                return node
        return items

    def set_items(self, node: Any, operands: list[Any]) -> None:
        """Add the setting of items: key, value, and so on."""
        if node.__class__ is not Node or node.kind not in (DICT, CALL, NEW) or len(operands) % 2:
            raise Unfollowable("it sets items of something that it did not make")
        if node.kind == DICT and node.has_state:
            raise Unfollowable("it changes a state that it has set")
        if node.kind == DICT and node.content is not None:
            node.content = node.content + operands if len(node.content) + len(operands) <= _KEPT_ITEMS else None
        self.tape.events.append((SET_ITEMS, node, operands))

    def build(self, stack: list[Any], state: Any, position: int) -> int:
        """Set the state of the top of the stack; return where to go on."""
        node = stack[-1]
        if node.__class__ is not Node or node.kind not in (CALL, NEW, DTYPE):
            raise Unfollowable("it changes something that it did not make")
        if state is None or node.has_state:
            raise Unfollowable("it sets a state twice, or none")
        if node.kind == DTYPE:
            node.of.set_state(state)
            self.fields += node.of.fields
            if self.fields > self.limits.max_members:
                raise Unfollowable(f"it makes dtypes of more than {self.limits.max_members} fields together")
        elif node.kind == NEW and is_wrapper(node.of):
            if not self.joblib:
                raise Unfollowable("it holds an array of joblib's, which this reader would not take for one")
            return self.array(stack, node, state, position)
        self.tape.build(node, state)
        return position

    def array(self, stack: list[Any], node: Node, state: Any, position: int) -> int:
        """Put the array that follows in the place of joblib's wrapper, which stays a hole; return where to go on."""
        if self.frame_end and position != self.frame_end:
            raise Unfollowable("it holds an array within a frame")
        self.tape.joblib = True
        parts = read_state(node, state)
        node.has_state = state.has_state = True
        self.frame_end = 0
        if parts[0].of.has_objects:
            inner = _Parser(self.tape, self.view, self.limits, False, None, self.depth + 1)
            stack[-1], position = array, _ = inner.run(position)
            if array.__class__ is not Node or array.kind != CALL or not is_array(array.of):
                raise Unfollowable("it holds something else in the place of an array")
            return position
        stack[-1], position = take_elements(self.view, position, parts)
        self.tape.events.append((MAKE, stack[-1], None))
        return position

    def take(self, width: int, most: int) -> memoryview:
        """Return the bytes that follow their length, of `width` bytes."""
        begin = self.position + width
        length = int.from_bytes(self.view[self.position : begin], "little")
        end = begin + length
        if end > len(self.view) or length > most:
            raise Unfollowable("it is cut off")
        self.position = end
        return self.view[begin:end]

    def line(self) -> str:
        """Return the text before the next line feed."""
        piece = bytes(self.view[self.position : self.position + _NAME])
        end = piece.find(b"\n")
        if end < 1:
            raise Unfollowable("it names a global with a very long name, or none")
        self.position += end + 1
        return piece[:end].decode()

    # -- rare operations -----------------------------------------------------------------------------------------------

    def load_global(self) -> None:
        """Push a name that stands on two lines."""
        module = self.line()
        self.stack.append(self.name(module, self.line()))

    def load_new_with_keywords(self) -> None:
        """Push a new instance that takes keywords, as the call that it is; no list has that."""
        keywords, arguments = self.stack.pop(), self.stack.pop()
        call = self.make_tuple((self.stack.pop(), arguments, keywords))
        self.new_node(CALL, self.name("copyreg", "__newobj_ex__"), call)

    def load_frozenset(self) -> None:
        """Push a frozenset."""
        items = self.stack
        self.stack = self.marks.pop()
        self.new_node(FROZENSET, None, items)

    def load_add(self) -> None:
        """Add items to a set."""
        items = self.stack
        self.stack = self.marks.pop()
        node = self.stack[-1]
        if node.__class__ is not Node or node.kind != SET:
            raise Unfollowable("it adds to something that it did not make")
        self.tape.events.append((ADD, node, items))

    def load_buffer(self) -> None:
        """Push the next buffer that lies outside of the stream."""
        self.new_node(BUFFER, self.buffers, False)
        self.buffers += 1
        self.new_buffer = self.position

    def load_read_only(self) -> None:
        """Make the buffer on top read-only."""
        if self.new_buffer != self.position - 1:  # one that the memo holds would stay writable there
            raise Unfollowable("it makes something read-only that is not a new buffer")
        self.stack[-1].content = True

    def load_persistent(self) -> None:
        """Push what a persistent id stands for."""
        if self.persistent is None:
            raise Unfollowable("it uses a persistent id")
        self.stack.append(self.persistent(self.stack.pop()))

    def pop(self) -> None:
        """Drop the top, as writers do behind a tuple that holds itself."""
        self.stack.pop()

    def pop_mark(self) -> None:
        """Drop a group."""
        self.stack = self.marks.pop()

    def new_node(self, kind: int, of: Any, content: Any) -> None:
        """Push a new node."""
        node = Node(kind, of, content)
        self.tape.events.append((MAKE, node, None))
        self.stack.append(node)


def _protocol(view: memoryview, position: int) -> int:
    if len(view) - position < 2:
        raise Unfollowable("it is empty")
    if view[position] != 0x80 or view[position + 1] < 2:
        raise Unfollowable("it is no pickle of protocols 2 to 5; those of 0 and 1 are not read alike by all readers")
    if view[position + 1] > 5:
        raise Unfollowable(f"it is of the unknown pickle protocol {view[position + 1]}")
    return view[position + 1]


def _underflow() -> Any:
    raise Unfollowable("it takes more from its stack than there is")


def _whole(width: int, make: Callable[[memoryview], Any], most: int = 1 << 62) -> Callable[[_Parser], None]:
    """Return the operation that pushes what is made of bytes behind their length, of `width` bytes."""
    return lambda parser: parser.stack.append(make(parser.take(width, most)))


def _text(view: memoryview) -> str:
    return str(view, "utf-8")


def _long(view: memoryview) -> int:
    return int.from_bytes(view, "little", signed=True)


_TUPLES = {0x29: 0, 0x85: 1, 0x86: 2, 0x87: 3}
_RARE: dict[int, Callable[[_Parser], None]] = {
    0x58: _whole(4, _text),  # BINUNICODE
    0x8D: _whole(8, _text),  # BINUNICODE8
    0x43: _whole(1, bytes),  # SHORT_BINBYTES
    0x42: _whole(4, bytes),  # BINBYTES
    0x8E: _whole(8, bytes),  # BINBYTES8
    0x96: _whole(8, bytearray),  # BYTEARRAY8
    0x8A: _whole(1, _long),  # LONG1
    0x8B: _whole(4, _long, most=(1 << 31) - 1),  # LONG4, whose length has a sign for some readers
    0x63: _Parser.load_global,
    0x92: _Parser.load_new_with_keywords,
    0x91: _Parser.load_frozenset,
    0x90: _Parser.load_add,
    0x97: _Parser.load_buffer,
    0x98: _Parser.load_read_only,
    0x51: _Parser.load_persistent,
    0x30: _Parser.pop,
    0x31: _Parser.pop_mark,
}

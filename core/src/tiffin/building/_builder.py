"""The builder: makes of a tape what it says, in its order, by core's own makers and those that adapters declare.

It calls nothing that the file chose. A name is no value: it is looked up on the lists, and only then imported. Instances of
listed classes are made empty and get plain attributes; all else is made by a maker, or not at all. What a maker is given is
counted, so that time and memory stay in proportion to the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tiffin.building._attributes import PLAIN, Attributes
from tiffin.building._lists import Check, Lists, Maker, Name, Unbuildable
from tiffin.building._make_arrays import SCALARS, make_array, make_dtype
from tiffin.building._weights import weights
from tiffin.inspection import Tape
from tiffin.inspection.tape import (
    ADD,
    ARRAY,
    BUFFER,
    BUILD,
    CALL,
    DICT,
    DTYPE,
    EXTEND,
    FROZENSET,
    HOLE,
    LIST,
    MAKE,
    NAME,
    NEW,
    SET,
    SET_ITEMS,
    TUPLE,
    Node,
    is_wrapper,
    items_of,
    spell,
)  # fmt: skip

_ODD_KEYS = 10_000
"""Keys whose hashes a file can choose, of all dicts and sets of a file together: such keys may be made to collide."""
_FREE_INTEGER = 1 << 59
"""Integers nearer to zero are their own hash, and cannot be made to collide more than a little."""
_KEY_ITEMS = 16
_KEY_BITS = 1 << 10
_SLACK = 16 << 20
_PER_ITEM = 64
"""Bytes that an item of a container counts for."""
_PARTS = 32
"""Arguments of a call, or parts of a state that is a tuple."""
_BITS = 1 << 12
"""Bits of an integer that a maker is given: to multiply or divide by longer ones takes time beyond their length."""
_HOLDERS = 1_000
"""Arrays of objects that hold arrays of objects: numpy frees them each within the other, and a deep one ends the program."""
_WEIGHT = 30
"""Weight that may be checked for each byte of the file."""
_FREE_WEIGHT = 10_000_000
"""Weight that may be checked whatever the file's size."""
_PER_FIELD = 200
"""Bytes that a field of a dtype counts for."""


def build(tape: Tape, lists: Lists, buffers: Sequence[memoryview] | None = None) -> Any:
    """Return the object that a tape says, made anew. A tape is built once.

    Args:
        tape: what a file says; its verdict was good.
        lists: what may be built.
        buffers: the buffers that lie outside of the stream, in order; each belongs to it alone.

    Raises:
        Unbuildable: it says what cannot, or must not, be made; nothing of it is left.
        PicklingError: a listed name is not there in this release of its package.
    """
    try:
        return _Builder(tape, lists, buffers or ()).run()
    except Unbuildable:
        raise
    except (
        TypeError, ValueError, AttributeError, LookupError, ArithmeticError, NotImplementedError, RecursionError, MemoryError,
    ) as error:  # fmt: skip
        # The text may show what was built, whose repr may be of any length; the class of the error is enough.
        raise Unbuildable(f"it says something that cannot be made ({type(error).__name__})") from error


class _Builder:
    def __init__(self, tape: Tape, lists: Lists, buffers: Sequence[memoryview]) -> None:
        self.tape = tape
        self.lists = lists
        self.buffers = buffers
        self.size = tape.size + sum(view.nbytes for view in buffers)
        self.left = 3 * self.size + _SLACK
        self.holders = 0
        self.odd_keys = _ODD_KEYS
        self.classes: dict[Node, Attributes] = {}
        self.values: dict[Node, Any] = {}
        self.lent: set[int] = set()
        self.states: dict[Node, dict[Any, Any]] = {}
        self.checks: list[tuple[Check, Node]] = []

    def run(self) -> Any:
        """Replay the tape, and check what was made."""
        for event, node, operand in self.tape.events:
            if event == MAKE:
                self.make(node)
            elif event == SET_ITEMS:
                self.set_items(node, operand)
            elif event == EXTEND:
                if node.kind != LIST and not self.takes_items(node):
                    raise Unbuildable("it appends to what is no list")
                node.value.extend(map(self.value, operand))
            elif event == ADD:
                node.value.update(self.keys(operand))
            elif event == BUILD:
                self.set_state(node, operand)
        result = self.value(self.tape.result)
        self.weigh()
        for check, node in self.checks:
            check(node.value)
        return result

    def weigh(self) -> None:
        """Refuse what would take too long to check, since very much of it is shared."""
        if self.checks:
            found = weights(self.tape, self.buffers)
            if sum(found[node] for _, node in self.checks) > _WEIGHT * self.size + _FREE_WEIGHT:
                raise Unbuildable("it shares its parts so often that to check them all would take too long")

    # -- operands ------------------------------------------------------------------------------------------------------

    def value(self, operand: Any) -> Any:
        """Return what an operand stands for as a value."""
        if operand.__class__ is not Node:
            return operand
        if operand.kind == NAME:
            return self.function(operand)
        if operand.value is HOLE or operand.kind == BUFFER:
            raise Unbuildable("it uses something that is not made yet, or is no value")
        return operand.value

    def function(self, node: Node) -> Any:
        """Return what a name stands for that is on the list of values."""
        if node not in self.values:
            name = Name(*node.key)
            if name not in self.lists.functions:
                raise Unbuildable(f"it uses {spell(*name)} as a value")
            self.values[node] = name.find()
        return self.values[node]

    def make_tuple(self, items: Any) -> Any:
        """Return a tuple; a hole where it is good as arguments only."""
        for item in items:
            if item.__class__ is Node:
                if item.kind == NAME:
                    if Name(*item.key) not in self.lists.functions:
                        return HOLE
                elif item.value is HOLE or item.kind == BUFFER:
                    return HOLE
        return tuple(map(self.value, items))

    def keys(self, operands: Any) -> list[Any]:
        """Return operands that become keys of a dict or set."""
        return [self.key(self.value(operand)) for operand in operands]

    def key(self, key: Any) -> Any:
        """Return a key whose hash takes no code and no time of the file's choice."""
        kind = key.__class__
        if kind is str or kind is bytes or kind is bool or key is None:
            return key
        if kind is int and -_FREE_INTEGER < key < _FREE_INTEGER:
            return key
        self.odd_keys -= 1
        if self.odd_keys < 0:
            raise Unbuildable(f"it has more than {_ODD_KEYS} keys whose hashes a file can choose")
        parts = key if kind is tuple and len(key) <= _KEY_ITEMS else (key,)
        if not all(map(_is_short, parts)):
            raise Unbuildable("it has a key that is no plain value")
        return key

    # -- what makers get -----------------------------------------------------------------------------------------------

    def argument(self, operand: Any, maker: Maker) -> Any:
        """Return an argument of a maker, or a part of a state, and count it."""
        if operand.__class__ is Node:
            if operand.kind == NAME and spell(*operand.key) in maker.takes:
                return Name(*operand.key)
            if operand.kind == BUFFER:
                value, operand.value = operand.value, HOLE
                if value is HOLE:
                    raise Unbuildable("it uses a buffer twice")
                self.count(value)
                return value
        value = self.value(operand)
        self.count(value)
        if type(value) in (bytearray, memoryview):
            self.lend(value)
        return value

    def lend(self, memory: Any) -> None:
        """Give bytes to the one object that may change them.

        Raises:
            Unbuildable: another has them. The two would change with each other, behind the back of what was checked.
        """
        if id(memory) in self.lent:
            raise Unbuildable("it gives the same bytes to two objects")
        self.lent.add(id(memory))

    def arguments(self, operand: Any, maker: Maker) -> tuple[Any, ...]:
        """Return the arguments of a maker."""
        items = items_of(operand)
        if type(items) is not tuple:
            raise Unbuildable("it computes the arguments of a call")
        values = self.parts(items, maker)
        if maker.hashes and values and isinstance(values[0], (list, dict)):
            for key in values[0]:
                self.key(key)
        return values

    def parts(self, items: tuple[Any, ...], maker: Maker) -> tuple[Any, ...]:
        """Return the items of arguments, or of a state. They are few: many could be given again and again."""
        if len(items) > _PARTS:
            raise Unbuildable(f"it makes something of more than {_PARTS} parts")
        return tuple([self.argument(item, maker) for item in items])

    def count(self, value: Any, deeper: bool = True) -> None:
        """Count what a maker is given: it may copy it, so that something given again and again would grow without end."""
        kind = type(value)
        if kind is int:
            if value.bit_length() > _BITS:
                raise Unbuildable(f"it makes something of a number of more than {_BITS} bits")
        elif kind in (bytes, bytearray, str):
            self.spend(len(value))
        elif kind is memoryview or kind is np.ndarray:
            self.spend(value.nbytes)
        elif kind in (list, tuple, dict, set, frozenset):
            self.spend(_PER_ITEM * len(value))
            if deeper and kind not in (set, frozenset):
                for item in value.values() if kind is dict else value:
                    self.count(item, deeper=False)

    def spend(self, size: int) -> None:
        """Take bytes from what the file may ask for."""
        self.left -= size
        if self.left < 0:
            raise Unbuildable("it asks for more memory than its bytes bear out")

    # -- events --------------------------------------------------------------------------------------------------------

    def make(self, node: Node) -> None:
        """Make a node, or leave it a hole until its state is known."""
        kind = node.kind
        if kind == LIST:
            node.value = []
        elif kind == DICT:
            if not node.has_state:
                node.value = {}
            elif node.of is not None:  # else the state of a wrapper, which the parser has read
                self.states[node] = {}
        elif kind == TUPLE:
            node.value = self.make_tuple(node.content)
        elif kind == SET:
            node.value = set()
        elif kind == FROZENSET:
            node.value = frozenset(self.keys(node.content))
        elif kind == ARRAY:
            dtype, shape, order, native = node.content
            made = make_dtype(dtype.of) if dtype.value is HOLE else dtype.value
            node.value = make_array(node.of, made, shape, order, native=native)
        elif kind == BUFFER:
            if node.of >= len(self.buffers):
                raise Unbuildable("it uses a buffer that is not there")
            # The first to ask for it takes it; a second time the stream can only ask for another.
            node.value = self.buffers[node.of].toreadonly() if node.content else self.buffers[node.of]
        elif kind == DTYPE:
            if node.of.complete and not node.has_state:
                node.value = self.dtype(node)
        elif not is_wrapper(node.of):
            self.make_object(node)

    def make_object(self, node: Node) -> None:
        name = self.name_of(node)
        maker = self.lists.makers.get(name)
        if maker is not None:
            if maker.new != (node.kind == NEW):
                raise Unbuildable(f"it makes {spell(*name)} otherwise than its writers do")
            if maker.items or not node.has_state:
                node.value = self.made(maker, self.arguments(node.content, maker), None)
        else:
            if node.kind != NEW or node.content != () or name not in self.lists.classes:
                raise Unbuildable(f"it makes {spell(*name)} otherwise than the lists allow")
            attributes = self.classes.get(node.of)
            if attributes is None:
                attributes = self.classes[node.of] = Attributes(name.find())
            node.value = object.__new__(attributes.kind)
        for check in self.lists.checks.get(name, ()):
            self.checks.append((check, node))

    def name_of(self, node: Node) -> Name:
        if node.of.__class__ is not Node or node.of.kind != NAME:
            raise Unbuildable("it calls what it made or computed")
        return Name(*node.of.key)

    def set_state(self, node: Node, operand: Any) -> None:
        """Set the state of what was made, or make it now that its state is known."""
        if node.kind == DTYPE:
            node.value = self.dtype(node)
            return
        maker = self.lists.makers.get(self.name_of(node))
        if maker is None:
            self.classes[node.of].set(node.value, self.state(operand))
        elif maker.items:
            if maker.attributes:
                Attributes(type(node.value)).set(node.value, self.state(operand))
            elif not maker.drops_state or type(self.state(operand)) is not dict:
                raise Unbuildable("it sets the state of something that has none")
        else:
            items = items_of(operand)
            if type(items) is tuple:
                state: Any = self.parts(items, maker)
            elif operand.__class__ is Node and operand.kind == DICT:
                state = self.state(operand)
                self.count(state)
            else:
                state = self.argument(operand, maker)
            node.value = self.made(maker, self.arguments(node.content, maker), state)

    def made(self, maker: Maker, arguments: tuple[Any, ...], state: Any) -> Any:
        """Return what a maker makes, and count what that takes."""
        self.spend(maker.cost)
        value = maker.make(arguments, state)
        if type(value) is np.ndarray and value.dtype.hasobject and any(map(_has_objects, value.ravel())):
            self.holders += 1
            if self.holders > _HOLDERS:
                raise Unbuildable(f"it holds more than {_HOLDERS} arrays of arrays of objects")
        return value

    def state(self, operand: Any) -> Any:
        """Return the state that an operand is; a dict belongs to the one whose state it is, and is no value."""
        if operand.__class__ is Node and operand.kind == DICT:
            return self.states.pop(operand)
        return self.value(operand)

    def dtype(self, node: Node) -> Any:
        """Return a dtype, and count its fields."""
        self.spend(_PER_FIELD * node.of.fields)
        return make_dtype(node.of)

    def takes_items(self, node: Node) -> bool:
        """Tell whether a node was made by a maker whose objects take items."""
        if node.kind not in (CALL, NEW) or node.of.__class__ is not Node:
            return False
        maker = self.lists.makers.get(Name(*node.of.key))
        return maker is not None and maker.items

    def set_items(self, node: Node, operands: list[Any]) -> None:
        """Set items of a dict, or of what takes them."""
        if node.kind == DICT:
            if node.has_state and node.of is None:
                return
        elif not self.takes_items(node):
            raise Unbuildable("it sets items of what is no dict")
        target = self.states[node] if node.has_state and node.kind == DICT else node.value
        for position in range(0, len(operands), 2):
            target[self.key(self.value(operands[position]))] = self.value(operands[position + 1])


def _has_objects(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype.hasobject


def _is_short(part: Any) -> bool:
    """Tell whether a part of a key is plain, and short where its hash is computed anew each time."""
    kind = type(part)
    if kind is int:
        return bool(part.bit_length() <= _KEY_BITS)
    return kind in PLAIN or (kind in SCALARS and part.nbytes <= _KEY_BITS)

"""The tape: what a stream says would be made, in the stream's own order, as inert data.

A tape is no tree to walk: what is shared or holds itself is one node that is named again. Operands are plain constants
(numbers, texts, bytes, tuples of them) or nodes. Nothing on a tape was imported, called or made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# Kinds of nodes.
NAME, LIST, DICT, SET, FROZENSET, TUPLE, CALL, NEW, BUFFER, ARRAY, DTYPE = range(11)
# Kinds of events.
MAKE, EXTEND, SET_ITEMS, ADD, BUILD = range(5)

Event = tuple[int, "Node", Any]
HOLE: Any = type("Hole", (), {"__repr__": lambda self: "<not made>"})()
"""The value of a node that is not made (yet)."""


class Unfollowable(Exception):
    """The stream says something that honest writers do not write, or that readers would not all read alike."""


class Node:
    """Something that a stream names or makes.

    Attributes:
        kind: one of the kinds above.
        of: NAME: the module; CALL and NEW: what would be called, the class; BUFFER: its number; ARRAY: its bytes; DTYPE: an
            `InertDtype`; DICT: the node whose state it is, and then nothing else; else `None`.
        content: NAME: the name; CALL and NEW: the arguments; TUPLE and FROZENSET: the items; BUFFER: whether it is read-only;
            ARRAY: `(dtype node, shape, order, whether its elements get this machine's byte order)`; else `None`.
        value: for whoever builds: what was made of it.
        has_state: whether a state of it is set somewhere on the tape; of a DICT, whether it is a state.
    """

    __slots__ = ("content", "has_state", "kind", "of", "value")

    def __init__(self, kind: int, of: Any = None, content: Any = None) -> None:
        self.kind = kind
        self.of = of
        self.content = content
        self.value: Any = HOLE
        self.has_state = False

    @property
    def key(self) -> tuple[str, str]:
        """The module and the name, of a NAME."""
        return self.of, self.content


class Tape:
    """What a stream says. Readers of formats write on it; see `tiffin.building` for what is made of it.

    Attributes:
        events: what would be done, in order: `(kind, node, operand)`.
        names: all that the stream names: `(module, name)` → node.
        result: the operand that the stream stands for.
        size: bytes that the stream and its parts have.
        joblib: whether it holds joblib's arrays.
    """

    def __init__(self, max_nodes: int = 1_000_000) -> None:
        self.events: list[Event] = []
        self.names: dict[tuple[str, str], Node] = {}
        self.result: Any = None
        self.size = 0
        self.joblib = False
        self.max_nodes = max_nodes

    def dotted(self) -> tuple[str, ...]:
        """Return all names, sorted: "module.name", or "module:Outer.name" for what is nested in a class."""
        return tuple(sorted({spell(*key) for key in self.names}))

    # -- writing, for readers of formats; the parser of pickles does the same in its own loop ---------------------------

    def make(self, kind: int, of: Any = None, content: Any = None) -> Node:
        """Add the making of a node, and return it.

        Raises:
            Unfollowable: the tape is full.
        """
        node = Node(kind, of, content)
        if len(self.events) >= self.max_nodes:
            raise Unfollowable(f"it makes more than {self.max_nodes} objects at once")
        self.events.append((MAKE, node, None))
        return node

    def name(self, module: str, name: str) -> Node:
        """Return the node of a name."""
        node = self.names.get((module, name))
        if node is None:
            node = self.names[module, name] = Node(NAME, module, name)
        return node

    def new_tuple(self, items: Iterable[Any]) -> Any:
        """Return a tuple of operands: a constant where they are."""
        items = tuple(items)
        return self.make(TUPLE, None, items) if any(item.__class__ is Node for item in items) else items

    def new_list(self, items: Sequence[Any]) -> Node:
        """Return a new list of operands."""
        node = self.make(LIST)
        self.events.append((EXTEND, node, items))
        return node

    def new_set(self, items: Sequence[Any]) -> Node:
        """Return a new set of operands."""
        node = self.make(SET)
        self.events.append((ADD, node, items))
        return node

    def new_dict(self, items: Iterable[tuple[Any, Any]]) -> Node:
        """Return a new dict of operands."""
        node = self.make(DICT)
        self.set_items(node, items)
        return node

    def set_items(self, node: Node, items: Iterable[tuple[Any, Any]]) -> None:
        """Add the setting of items of a dict, or of what was made."""
        self.events.append((SET_ITEMS, node, [operand for item in items for operand in item]))

    def call(self, module: str, name: str, *arguments: Any) -> Node:
        """Return what a call would make."""
        return self.make(CALL, self.name(module, name), self.new_tuple(arguments))

    def new(self, module: str, name: str) -> Node:
        """Return a new instance of a class, without state."""
        return self.make(NEW, self.name(module, name), ())

    def build(self, node: Node, state: Any) -> None:
        """Add the setting of a state.

        Raises:
            Unfollowable: it is the state of something else, too. Readers differ in what they leave of a state behind them,
                and one that many share would grow with each.
        """
        node.has_state = True
        if state.__class__ is Node and state.kind == DICT:
            if state.has_state:
                raise Unfollowable("it sets one state twice")
            state.has_state, state.of = True, node
        self.events.append((BUILD, node, state))


def items_of(operand: Any) -> Any:
    """Return the items of a tuple, whether it is constant or a node; what is no tuple as it is."""
    return operand.content if operand.__class__ is Node and operand.kind == TUPLE else operand


def is_name(operand: Any, module: str, name: str) -> bool:
    """Tell whether an operand is a certain name."""
    return operand.__class__ is Node and operand.kind == NAME and operand.of == module and operand.content == name


def is_wrapper(operand: Any) -> bool:
    """Tell whether an operand is the name of joblib's wrappers, which stand where raw arrays follow."""
    return is_name(operand, "joblib.numpy_pickle", "NumpyArrayWrapper")


def is_array(operand: Any) -> bool:
    """Tell whether an operand is the name of what numpy's pickles make arrays of objects with."""
    return any(is_name(operand, f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core"))


def spell(module: str, name: str) -> str:
    """Return a name as people read it. "a.b" of module "c" is another thing than "b" of module "c.a"."""
    return f"{module}:{name}" if "." in name else f"{module}.{name}"

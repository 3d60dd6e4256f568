"""The verdict on a tape: which names no list allows, and what stands where it must not. Imports and builds nothing."""

from __future__ import annotations

from typing import Any

from tiffin.building._lists import Lists, Name
from tiffin.inspection import Tape
from tiffin.inspection.tape import (
    BUILD,
    CALL,
    DICT,
    FROZENSET,
    MAKE,
    NAME,
    NEW,
    SET_ITEMS,
    TUPLE,
    Node,
    is_wrapper,
    items_of,
    spell,
)  # fmt: skip


def judge(tape: Tape, lists: Lists) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that no list allows for what the tape does with them, and what else it must not do.

    Where both are empty, the tape is built; what only the values can tell (sizes, shapes, states) is checked then.

    Args:
        tape: what a file says.
        lists: what is allowed.
    """
    judge = _Judge(tape, lists)
    judge.walk()
    return tuple(sorted(judge.refused)), tuple(judge.problems)


_READ = frozenset({("numpy", "dtype"), ("numpy", "memmap")})
"""Names that the parser itself reads where they stand for a dtype, or the class of joblib's arrays; else they are refused."""


class _Judge:
    def __init__(self, tape: Tape, lists: Lists) -> None:
        self.tape = tape
        self.lists = lists
        self.refused: set[str] = set()
        self.problems: dict[str, None] = {}
        self.withheld: dict[Node, list[Node]] = {}
        """Tuples with names that are no values: good as arguments only."""

    def walk(self) -> None:
        for key, node in self.tape.names.items():
            if not self.lists.knows(Name(*key)) and key not in _READ and not is_wrapper(node):
                self.refused.add(spell(*key))
        for event, node, operand in self.tape.events:
            if event == MAKE:
                if node.kind in (CALL, NEW):
                    self.made(node)
                elif node.kind == TUPLE:
                    withheld = [name for item in node.content for name in self.not_values(item)]
                    if withheld:
                        self.withheld[node] = withheld
                elif node.kind == FROZENSET:
                    self.used(node.content)
            elif event == BUILD:
                if node.kind in (CALL, NEW):
                    self.taken(node, operand)
            elif not (event == SET_ITEMS and node.kind == DICT and node.has_state):
                self.used(operand)
        self.used([self.tape.result])

    def made(self, node: Node) -> None:
        of = node.of
        if of.__class__ is not Node or of.kind != NAME:
            self.problems["it calls what it made or computed"] = None
            return
        if is_wrapper(of):
            if not node.has_state:
                self.problems["it makes an array of joblib's otherwise than joblib does"] = None
            return
        name = Name(*of.key)
        if name in self.lists.makers:
            self.taken(node, node.content)
        elif node.kind == CALL or name not in self.lists.classes:
            self.refused.add(spell(*of.key))
        elif node.content != ():
            self.problems[f"it makes an instance of {spell(*of.key)} with arguments"] = None

    def taken(self, node: Node, operand: Any) -> None:
        """Note names that the maker of a node does not take, in its arguments or state."""
        of = node.of
        maker = self.lists.makers.get(Name(*of.key)) if of.__class__ is Node and of.kind == NAME else None
        if maker is None:
            self.used([operand])
            return
        items = items_of(operand)
        for item in items if type(items) is tuple else (items,):
            for name in self.not_values(item):
                if not (name is item and spell(*name.key) in maker.takes):
                    self.refused.add(spell(*name.key))

    def used(self, operands: Any) -> None:
        """Note names that stand where only values may."""
        for operand in operands:
            if operand.__class__ is Node:
                self.refused.update(spell(*name.key) for name in self.not_values(operand))

    def not_values(self, operand: Any) -> list[Node]:
        if operand.__class__ is not Node:
            return []
        if operand.kind == NAME:
            return [] if Name(*operand.key) in self.lists.functions else [operand]
        return self.withheld.get(operand, [])

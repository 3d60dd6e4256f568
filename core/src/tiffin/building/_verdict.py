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
        self.withheld: set[Node] = set()
        """Tuples with names that are no values: good as arguments only."""
        self.shown: set[Node] = set()
        """Those whose names are refused already. Tuples share parts, so each is walked once."""
        self.taken_apart: set[tuple[Node, Name]] = set()

    def walk(self) -> None:
        for key, node in self.tape.names.items():
            if not self.lists.knows(Name(*key)) and key not in _READ and not is_wrapper(node):
                self.refused.add(spell(*key))
        for event, node, operand in self.tape.events:
            if event == MAKE:
                if node.kind in (CALL, NEW):
                    self.made(node)
                elif node.kind == TUPLE:
                    if any(map(self.is_withheld, node.content)):
                        self.withheld.add(node)
                elif node.kind == FROZENSET:
                    self.used(node.content)
            elif event == BUILD:
                if node.kind in (CALL, NEW):
                    self.taken(node, operand)
            elif not (event == SET_ITEMS and node.kind == DICT and node.has_state and node.of is None):
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
        maker = self.lists.makers.get(name)
        if maker is not None:
            if maker.new != (node.kind == NEW):
                self.problems[f"it makes {spell(*name)} otherwise than its writers do"] = None
            self.taken(node, node.content)
        elif node.kind == CALL or name not in self.lists.classes:
            self.refused.add(spell(*of.key))
        elif node.content != ():
            self.problems[f"it makes an instance of {spell(*of.key)} with arguments"] = None

    def taken(self, node: Node, operand: Any) -> None:
        """Note names that the maker of a node does not take, in its arguments or state."""
        of = node.of
        name = Name(*of.key) if of.__class__ is Node and of.kind == NAME else None
        maker = self.lists.makers.get(name) if name else None
        if name is None or maker is None:
            self.used([operand])
        elif self.is_withheld(operand) and (operand, name) not in self.taken_apart:
            self.taken_apart.add((operand, name))
            for item in operand.content if operand.kind == TUPLE else (operand,):
                if not (item.__class__ is Node and item.kind == NAME and spell(*item.key) in maker.takes):
                    self.used([item])

    def used(self, operands: Any) -> None:
        """Note names that stand where only values may."""
        pending = [operand for operand in operands if self.is_withheld(operand)]
        while pending:
            operand = pending.pop()
            if operand.kind == NAME:
                self.refused.add(spell(*operand.key))
            elif operand not in self.shown:
                self.shown.add(operand)
                pending += filter(self.is_withheld, operand.content)

    def is_withheld(self, operand: Any) -> bool:
        """Tell whether an operand is a name that is no value, or a tuple with one."""
        if operand.__class__ is not Node:
            return False
        if operand.kind == NAME:
            return Name(*operand.key) not in self.lists.functions
        return operand in self.withheld

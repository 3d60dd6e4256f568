"""Weights: how much each node of a tape reaches, so that what is shared very often is not looked through each time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tiffin.inspection import Tape
from tiffin.inspection.tape import ARRAY, BUFFER, BUILD, CALL, DICT, FROZENSET, MAKE, NAME, NEW, TUPLE, Node

_WORD = 8
"""Bytes of a text, or of an array, that weigh as much as one item of a list."""
_MOST = 1 << 60
_SIZED = frozenset({str, bytes, bytearray, tuple})


def weights(tape: Tape, buffers: Sequence[memoryview]) -> dict[Node, int]:
    """Return what each node weighs with all that it holds; what it holds twice counts twice, itself within itself not.

    Args:
        tape: what a file says. Takes time in proportion to it.
        buffers: the buffers that lie outside of the stream.
    """
    own: dict[Node, int] = {}
    held: dict[Node, list[Node]] = {}
    for event, node, operand in tape.events:
        if event == MAKE:
            weight, parts = 1, held.setdefault(node, [])
            if node.kind in (TUPLE, FROZENSET):
                weight += _add(node.content, parts)
            elif node.kind in (CALL, NEW):
                weight += _add((node.content,), parts)
            elif node.kind == ARRAY:
                weight += node.of.nbytes // _WORD
            elif node.kind == BUFFER and node.of < len(buffers):
                weight += buffers[node.of].nbytes // _WORD
            own[node] = weight
        elif node.kind != DICT or node.of is not None or not node.has_state:  # else the parser has read it
            own[node] += _add((operand,) if event == BUILD else operand, held[node])
    found = {node: own[node] for node, parts in held.items() if not parts}
    for first in reversed(held):  # what is held is mostly made later, and so weighed already
        pending = [first]
        while pending:
            node = pending.pop()
            if node in found:
                continue
            parts = held[node]
            left = [part for part in parts if part not in found]
            if left and own[node] > 0:
                own[node] = -own[node]
                pending += [node, *[part for part in left if own[part] > 0]]
            else:  # all that it holds was weighed, but for what holds it in turn
                whole = sum(
                    [found.get(part) or -own[part] for part in parts] if left else [found[part] for part in parts]
                )
                found[node] = min(_MOST, abs(own[node]) + whole)
    return found


def _add(operands: Collection[Any], parts: list[Node]) -> int:
    """Note the nodes among operands, and return the weight of what is none."""
    weight = len(operands)
    for operand in operands:
        kind = operand.__class__
        if kind is Node:
            if operand.kind != NAME:
                parts.append(operand)
                weight -= 1
        elif kind in _SIZED:
            weight += len(operand) if kind is tuple else len(operand) // _WORD
    return weight

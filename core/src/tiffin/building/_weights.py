"""Weights: how much each node of a tape reaches, so that what is shared very often is not looked through each time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tiffin.inspection import Tape
from tiffin.inspection.tape import ARRAY, BUFFER, BUILD, CALL, FROZENSET, MAKE, NEW, TUPLE, Node

_WORD = 8
"""Bytes of a text, or of an array, that weigh as much as one item of a list."""
_MOST = 1 << 60


def weights(tape: Tape, buffers: Sequence[memoryview]) -> dict[Node, int]:
    """Return what each node weighs with all that it holds; what it holds twice counts twice, itself within itself not.

    Args:
        tape: what a file says. Takes time in proportion to it.
        buffers: the buffers that lie outside of the stream.
    """
    own: dict[Node, int] = {}
    held: dict[Node, list[Node]] = {}
    for event, node, operand in tape.events:
        weight = own.setdefault(node, 1)
        parts = held.setdefault(node, [])
        if event == MAKE:
            if node.kind in (TUPLE, FROZENSET):
                weight += _add(node.content, parts)
            elif node.kind in (CALL, NEW):
                weight += _add((node.content,), parts)
            elif node.kind == ARRAY:
                weight += node.of.nbytes // _WORD
            elif node.kind == BUFFER and node.of < len(buffers):
                weight += buffers[node.of].nbytes // _WORD
        else:
            weight += _add((operand,) if event == BUILD else operand, parts)
        own[node] = weight
    found: dict[Node, int] = {}
    for first in held:
        pending = [first]
        while pending:
            node = pending[-1]
            if node in found:
                pending.pop()
            elif own[node] < 0:  # all that it holds was weighed, but for what holds it in turn
                own[node] = -own[node]
                found[node] = min(
                    _MOST, own[node] + sum(found.get(part) or abs(own.get(part, 1)) for part in held[node])
                )
                pending.pop()
            else:
                own[node] = -own[node]
                pending += [part for part in held[node] if part in own and part not in found and own[part] > 0]
    return found


def _add(operands: Iterable[Any], parts: list[Node]) -> int:
    """Note the nodes among operands, and return the weight of what is none."""
    weight = 0
    for operand in operands:
        if operand.__class__ is Node:
            parts.append(operand)
        elif type(operand) in (str, bytes, bytearray):
            weight += 1 + len(operand) // _WORD
        else:
            weight += 1 + (len(operand) if type(operand) is tuple else 0)
    return weight

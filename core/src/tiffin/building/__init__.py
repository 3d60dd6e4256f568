"""Building: what core makes of a stranger's file, in place of loading it.

A file of an untrusted model is never handed to an unpickler. It is read onto a tape (`tiffin.inspection`), the tape is judged
by the lists of core and of the installed adapters, and what is allowed is made by core, without a call of the file's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tiffin.building._lists import Lists, Maker, Name, Unbuildable, as_name, is_one, names, require
from tiffin.building._verdict import judge

if TYPE_CHECKING:
    from tiffin.inspection import Tape

__all__ = [
    "Lists",
    "Maker",
    "Name",
    "Unbuildable",
    "as_name",
    "build",
    "core_lists",
    "is_one",
    "judge",
    "names",
    "require",
]


def core_lists() -> Lists:
    """Return new lists with what core itself makes: plain values, arrays, random states, sparse matrices. Imports numpy."""
    from tiffin.building import _make_arrays, _make_plain, _make_random, _make_sparse

    lists = Lists()
    lists.add(
        functions=(*_make_plain.FUNCTIONS, *_make_arrays.SCALAR_NAMES),
        makers={
            name: maker
            for module in (_make_plain, _make_arrays, _make_random, _make_sparse)
            for name, maker in module.makers()
        },
    )
    return lists


def build(tape: Tape, lists: Lists, buffers: Sequence[memoryview] | None = None) -> Any:
    """Return the object that a tape says, made anew. A tape is built once. Imports numpy, and what the lists name.

    Args:
        tape: what a file says; `judge` found nothing wrong.
        lists: what may be built.
        buffers: the buffers that lie outside of the stream, in order; each belongs to it alone.

    Raises:
        Unbuildable: it says what cannot, or must not, be made; nothing of it is left.
        PicklingError: a listed name is not there in this release of its package.
    """
    from tiffin.building._builder import build

    return build(tape, lists, buffers)

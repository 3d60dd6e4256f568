"""Makers of scipy's sparse matrices by rows and by columns: their indexes are checked, which compiled code does not do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tiffin.building._lists import Maker, Name, require
from tiffin.building._make_arrays import check_shape

_STATE = frozenset({"_shape", "maxprint", "indices", "indptr", "data", "_has_sorted_indices", "_has_canonical_format"})
_FOUND_OUT = ("_has_sorted_indices", "_has_canonical_format")
"""What scipy finds out anew where it is not said; a lie makes its compiled code wrong."""
_WRONG = "it makes a sparse matrix otherwise than scipy does"


def check_parts(shape: Any, data: Any, indices: Any, pointers: Any, *, by_rows: bool) -> None:
    """Refuse a matrix whose indexes point outside of it.

    Args:
        shape: rows and columns.
        data, indices, pointers: arrays with one axis, as scipy calls them (`data`, `indices`, `indptr`).
        by_rows: whether it is stored by rows (CSR), or by columns (CSC).

    Raises:
        Unbuildable: they do.
    """
    check_shape(shape)
    require(len(shape) == 2, _WRONG)
    for array, kinds in ((data, "biufc"), (indices, "i"), (pointers, "i")):
        require(
            type(array) is np.ndarray and array.ndim == 1 and array.dtype.kind in kinds and array.dtype.isnative, _WRONG
        )
    require(indices.dtype == pointers.dtype and indices.dtype in (np.dtype("i4"), np.dtype("i8")), _WRONG)
    major, minor = shape if by_rows else shape[::-1]
    # Compared, not subtracted: a difference of such numbers can come round to the other side.
    require(len(pointers) == major + 1 and pointers[0] == 0 and bool((pointers[1:] >= pointers[:-1]).all()), _WRONG)
    require(pointers[-1] <= len(indices) and pointers[-1] <= len(data), _WRONG)
    require(not len(indices) or (indices.min() >= 0 and indices.max() < minor), _WRONG)


def _maker(dotted: str, kind: str) -> Maker:
    def make(arguments: tuple[Any, ...], state: Any) -> Any:
        require(arguments == () and type(state) is dict and state.keys() <= _STATE, _WRONG)
        require(type(state.get("maxprint", 0)) in (int, type(None)), _WRONG)
        check_parts(
            state.get("_shape"), state.get("data"), state.get("indices"), state.get("indptr"), by_rows=kind == "csr"
        )
        found = Name(*dotted.rpartition(".")[::2]).find()
        made = found.__new__(found)
        made.__dict__.update({name: value for name, value in state.items() if name not in _FOUND_OUT})
        return made

    return Maker(make, new=True)


def makers() -> Iterator[tuple[str, Maker]]:
    """Yield the names of the classes, as releases of scipy have them, and how each is made."""
    for kind in ("csr", "csc"):
        for module, form in ((kind, "matrix"), (f"_{kind}", "matrix"), (f"_{kind}", "array")):
            dotted = f"scipy.sparse.{module}.{kind}_{form}"
            yield dotted, _maker(dotted, kind)

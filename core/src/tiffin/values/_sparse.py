"""Sparse matrices and arrays of scipy, in every format. Known by name: nothing here imports scipy."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import Any

import numpy

from tiffin.values._kind import Unsendable, ValueKind
from tiffin.values._kind_registry import registry
from tiffin.values.dtypes import dtype_spec

_COMPRESSED = frozenset({"csr", "csc", "bsr"})
_FORMATS = ("csr", "csc", "bsr", "coo", "dia", "dok", "lil")


class SparseKind(ValueKind):
    """Matrices (or arrays) of one format."""

    def __init__(self, name: str) -> None:
        self.name, self.types = f"scipy.sparse.{name}", (f"scipy.sparse.{name}",)
        self._class = name

    def count(self, value: Any, axis: int) -> int | None:
        """Return the length of the axis; an array of one axis is no batch."""
        if value.ndim != 2:
            return None
        if not -2 <= axis < 2:
            raise ValueError(f"a sparse matrix has no axis {axis}")
        return int(value.shape[axis])

    def key(self, value: Any, axis: int) -> Hashable:
        """Return dtype, the length of the other axis, and the size of blocks if there are any."""
        if value.ndim != 2:
            return value.dtype, value.shape
        return value.dtype, value.shape[1 - axis % 2], axis % 2, getattr(value, "blocksize", None)

    def join(self, values: Sequence[Any], axis: int) -> Any:
        """Return the matrices joined along the axis, in their format."""
        sparse, form = sys.modules["scipy.sparse"], values[0].format
        joined = (sparse.hstack if axis % 2 else sparse.vstack)(values, format=None if form == "bsr" else form)
        return joined.tobsr(values[0].blocksize) if form == "bsr" else joined

    def cut(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows, in memory of their own."""
        if axis % 2:
            return value.tocsc()[:, start:stop].asformat(value.format)
        return value.tocsr()[start:stop].asformat(value.format)

    def send(self, value: Any) -> Any:
        """Return shape, and values and places as they are stored; by coordinates where a format has no such arrays."""
        if dtype_spec(value.dtype) is None:
            raise Unsendable(f"a sparse matrix of dtype {value.dtype}", "Its dtype has no form in plain bytes")
        if value.format in _COMPRESSED:
            return [list(map(int, value.shape)), value.data, value.indices, value.indptr]
        stored = value.tocoo()
        return [list(map(int, value.shape)), stored.data, *stored.coords]

    def receive(self, parts: Any) -> Any:
        """Return the matrix. Places outside of it are refused: compiled code relies on them."""
        sparse = sys.modules["scipy.sparse"]
        shape, data, *places = parts
        if not all(type(array) is numpy.ndarray for array in (data, *places)) or len(places) > 2:
            raise ValueError("a sparse matrix consists of arrays")
        made = getattr(sparse, self._class)
        if self._class[:3] in _COMPRESSED:
            indices, pointers = places
            matrix = made((data, indices, pointers), shape=tuple(shape), copy=False)
            matrix.check_format(full_check=True)
            return matrix
        coordinates = sparse.coo_matrix if self._class.endswith("matrix") else sparse.coo_array
        return coordinates((data, tuple(places)), shape=tuple(shape)).asformat(self._class[:3])

    def from_numpy(self, array: Any, spec: Any) -> Any:
        """Return the array, sparse."""
        return getattr(sys.modules["scipy.sparse"], self._class)(array)


for _format in _FORMATS:
    for _class in ("matrix", "array"):
        registry.register(SparseKind(f"{_format}_{_class}"))

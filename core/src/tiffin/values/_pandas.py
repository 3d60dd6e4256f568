"""The containers of pandas frames and series. Registered by name: nothing here imports pandas before a caller has.

The default index (0, 1, 2, …) is no data: the model gets a default index over the whole batch, and each caller one
over its own rows. Any other index travels with its rows.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import Any

from tiffin.values._kind import BatchContainer, registry


class PandasContainer(BatchContainer):
    """Frames and series of exactly these classes, joined row by row."""

    def count_rows(self, value: Any, axis: int) -> int | None:
        """Return the number of rows."""
        if axis != 0:
            raise ValueError(f"the rows of a pandas {type(value).__name__} lie along axis 0, not {axis}")
        return len(value)

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        """Return columns or name, dtypes, and the kind of index."""
        if value.attrs or value.index.nlevels > 1 or getattr(value.index, "freq", None) is not None:
            return None  # joining would lose these, or widen them
        index = _describe_index(value.index)
        if value.ndim == 1:
            return value.name, _describe_dtype(value.dtype), index
        columns = value.columns
        return (
            tuple(columns),
            tuple(columns.names),
            columns.dtype,
            tuple(_describe_dtype(dtype) for dtype in value.dtypes),
            index,
        )

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        """Return the rows one below the other."""
        return sys.modules["pandas"].concat(values, ignore_index=_is_default(values[0].index))

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        """Return the rows; a default index starts again at 0."""
        part = value.iloc[start:stop]
        if _is_default(value.index):
            part = part.reset_index(drop=True)
        return part

    def detach(self, part: Any) -> Any:
        """Return a copy: a slice of a frame shares the frame's memory."""
        return part.copy()


def _is_default(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None


def _describe_index(index: Any) -> Hashable:
    if _is_default(index):
        return None
    return type(index).__name__.replace("RangeIndex", "Index"), tuple(index.names), _describe_dtype(index.dtype)


def _describe_dtype(dtype: Any) -> Hashable:
    # Two categorical dtypes are equal whatever the order of their categories; the joined one would have another order.
    categories = getattr(dtype, "categories", None)
    return dtype if categories is None else (str(dtype), tuple(categories))


for _name in ("pandas.DataFrame", "pandas.Series"):
    registry.register(_name, PandasContainer())

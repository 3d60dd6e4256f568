"""The kinds of values that core brings: importing this registers how each is batched, and how it crosses to a worker."""

from __future__ import annotations

from tiffin.values import _collections, _ndarray, _pandas, _pandas_parts

__all__ = ["_collections", "_ndarray", "_pandas", "_pandas_parts"]

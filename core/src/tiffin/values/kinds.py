"""The kinds of values that core brings. Importing this registers them; it imports numpy, and no other library of data."""

from __future__ import annotations

from tiffin.values import _images, _ndarray, _pandas, _sparse, _tables
from tiffin.values._collections import could_be_outputs

__all__ = ["_images", "_ndarray", "_pandas", "_sparse", "_tables", "could_be_outputs"]

"""What is taken from inside `tiffin.pickling`."""

from __future__ import annotations

from tiffin.pickling import _index, _map, _pickler, _write

__all__ = ["_index", "_map", "_pickler", "_write"]

"""What is taken from inside `tiffin.values`."""

from __future__ import annotations

from tiffin.values import _arrow_stream, _pandas_parts

__all__ = ["_arrow_stream", "_pandas_parts"]

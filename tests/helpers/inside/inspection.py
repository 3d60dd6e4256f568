"""What is taken from inside `tiffin.inspection`."""

from __future__ import annotations

from tiffin.inspection import _parse

__all__ = ["_parse"]

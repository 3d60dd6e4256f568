"""What is taken from inside `tiffin.signatures`."""

from __future__ import annotations

from tiffin.signatures._checks import TAKEN
from tiffin.signatures._rows import count_rows

__all__ = ["TAKEN", "count_rows"]

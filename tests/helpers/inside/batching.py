"""What is taken from inside `tiffin.batching`."""

from __future__ import annotations

from tiffin.batching import _chunks

__all__ = ["_chunks"]

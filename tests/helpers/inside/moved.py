"""What is taken from beside the rooms."""

from __future__ import annotations

from tiffin._moved import MOVED

__all__ = ["MOVED"]

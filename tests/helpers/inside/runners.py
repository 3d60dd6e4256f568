"""What is taken from inside `tiffin.runners`."""

from __future__ import annotations

from tiffin.runners import _resources
from tiffin.runners._backends import backends
from tiffin.runners._desk import Desk

__all__ = [
    "Desk",
    "_resources",
    "backends",
]

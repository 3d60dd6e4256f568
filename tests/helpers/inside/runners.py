"""What is taken from inside `tiffin.runners`."""

from __future__ import annotations

from tiffin.runners import _backends, _resources
from tiffin.runners._backends import backends
from tiffin.runners._desk import Desk
from tiffin.runners._scaling import Scaling

__all__ = [
    "Desk",
    "Scaling",
    "_backends",
    "_resources",
    "backends",
]

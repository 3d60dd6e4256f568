"""What is taken from inside `tiffin.places`."""

from __future__ import annotations

from tiffin.places import _driver_errors

__all__ = ["_driver_errors"]

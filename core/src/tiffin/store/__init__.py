"""The model store: content-addressed, published by one rename, safe for many writers."""

from __future__ import annotations

from tiffin.store._new_folder import NewFolder
from tiffin.store._store import ModelStore

__all__ = ["ModelStore", "NewFolder"]

"""The model store: content-addressed, published by one rename, safe for many writers."""

from __future__ import annotations

from tiffin.store._store import ModelStore
from tiffin.store._writing import NewFolder

__all__ = ["ModelStore", "NewFolder"]

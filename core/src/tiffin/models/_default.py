"""The store that is meant where none is named."""

from __future__ import annotations

import os

from tiffin.store import ModelStore

_stores: dict[str, ModelStore] = {}


def default_store() -> ModelStore:
    """Return the store below $TIFFIN_HOME, as that is set now."""
    chosen = os.environ.get("TIFFIN_HOME", "")
    if chosen.startswith("/"):  # as almost always; each call asks
        path = f"{chosen}/store"
    else:
        from tiffin.home import home

        path = str(home() / "store")
    if path not in _stores:
        _stores[path] = ModelStore(path)
    return _stores[path]

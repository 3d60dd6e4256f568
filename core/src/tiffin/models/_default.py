"""The store that is meant where none is named."""

from __future__ import annotations

from tiffin.store import ModelStore

_stores: dict[str, ModelStore] = {}


def default_store() -> ModelStore:
    """Return the store below $TIFFIN_HOME, as that is set now."""
    from tiffin.home import home

    path = str(home() / "store")
    if path not in _stores:
        _stores[path] = ModelStore(path)
    return _stores[path]

"""Where Tiffin keeps things: $TIFFIN_HOME, else ~/.tiffin."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of Tiffin's store and settings: $TIFFIN_HOME, else ~/.tiffin. Makes nothing."""
    chosen = os.environ.get("TIFFIN_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".tiffin"


def cache_home() -> Path:
    """Return the user's folder for what can be made again: $XDG_CACHE_HOME/tiffin, else ~/.cache/tiffin."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tiffin"

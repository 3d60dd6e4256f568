"""Where the program was when it imported Tiffin: what relative entries of sys.path mean, whatever folder comes later."""

from __future__ import annotations

import os
from pathlib import Path


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # removed already
        return os.sep


FOLDER = _folder()


def absolute(entry: str) -> str:
    """Return an entry of sys.path or PYTHONPATH that no change of folder alters. The empty one is the folder itself."""
    return str(Path(FOLDER, entry)) if entry else FOLDER

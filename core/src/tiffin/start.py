"""Where the program was when it imported Tiffin: what relative entries of sys.path mean, whatever folder comes later."""

from __future__ import annotations

import os


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed already
        return os.sep


FOLDER = _folder()


def absolute(entry: str) -> str:
    """Return an entry of sys.path or PYTHONPATH that no change of folder alters. The empty one is the folder itself."""
    return os.path.join(FOLDER, entry) if entry else FOLDER

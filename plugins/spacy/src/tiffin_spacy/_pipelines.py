"""Pipelines in spaCy's folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import spacy

from tiffin.exceptions import StoreError


def write(model: Any, folder: Path) -> None:
    """Write a pipeline, or copy its folder."""
    if isinstance(model, Path):
        shutil.copytree(model, folder)
    else:
        model.to_disk(folder)


def read(folder: Path, exclude: str) -> Any:
    """Return the pipeline. Calls what its configuration names.

    Args:
        folder: its folder.
        exclude: names of components that are left out, with commas between them.

    Raises:
        StoreError: a file is missing or damaged, or the configuration names what is not registered here.
    """
    try:
        return spacy.load(folder, exclude=[name.strip() for name in exclude.split(",") if name.strip()])
    except (AttributeError, ImportError, KeyError, OSError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"spaCy cannot read '{folder}': {type(error).__name__}: {str(error).strip()[:500]}",
            why="A file is missing or damaged, a component of another package is not registered in this program, or it is "
            f"of another version of spaCy than {spacy.__version__}",
            fix="Import what registers the pipeline's components first; compare the model's digests (tiffin models verify)",
            path=str(folder),
        ) from error

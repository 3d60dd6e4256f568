"""What lies in a stored model's folder, told by the names of its files; and exported programs."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from tiffin.exceptions import StoreError

from . import _modules

_NAMES = ("model.pt", "model.pt2", "model.pth")
"""Files that run code when they are read. Exactly these: what the patterns of code files miss, nobody has judged."""


def load_files(path: Path) -> Any:
    """Return what the files hold, on the CPU. Runs code that is stored in them.

    Raises:
        StoreError: the file is missing or damaged.
    """
    if (path / "model.pkl").exists():
        return _modules.load(path)
    if (path / _modules.WEIGHTS).exists():
        return _modules.load_weights(path / _modules.WEIGHTS)
    file = next((path / name for name in _NAMES if (path / name).exists()), path / _NAMES[0])
    try:
        if file.suffix == ".pt2":
            return torch.export.load(file)
        # Mapped, where it is no file of before PyTorch 1.6.
        return torch.load(file, map_location="cpu", weights_only=False, mmap=zipfile.is_zipfile(file))
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"The file '{file}' cannot be read: {type(error).__name__}: {error}",
            why="It is missing, damaged, or was written by another version of PyTorch",
            fix="Compare the model's digests (tiffin models verify), or save it again",
            path=str(file),
        ) from error


def module_of(obj: Any) -> Any:
    """Return what can be called: of an exported program its module."""
    return obj.module() if isinstance(obj, torch.export.ExportedProgram) else obj


def takes_any_batch(model: Any) -> bool:
    """Return whether the first axis of what it takes may have any length; of a program its export has said so."""
    if not isinstance(model, torch.export.ExportedProgram):
        return True
    names = set(model.graph_signature.user_inputs)
    values = [node.meta.get("val") for node in model.graph.nodes if node.name in names]
    shapes = [value.shape for value in values if isinstance(value, torch.Tensor)]
    return bool(shapes) and all(shape and isinstance(shape[0], torch.SymInt) for shape in shapes)

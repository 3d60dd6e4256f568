"""Tiffin's adapter for TorchScript: modules and functions that `torch.jit` compiled, and files of them.

Stored as `torch.jit.save` writes it. Loading it can run code that is stored in the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.exceptions import StoreError
from tiffin.plugins import ForeignModel, ForeignReading, reading_of_file

_FILE = "model.pt"


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores compiled modules and functions, and files of them where it is asked for by name."""
    return AdapterInfo(
        types=["torch.jit.ScriptModule", "torch.jit.ScriptFunction"],
        paths=True,
        distributions=["torch"],
        signatures={"__call__": {"batchable": True}},
        options={"device": "", "dtype": "", "gradients": False},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write what was compiled by `torch.jit.save`; a file is kept as it is."""
    if isinstance(model, Path):
        shutil.copyfile(model, path / _FILE)
        return
    import torch

    torch.jit.save(model, str(path / _FILE))


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the file onto the CPU, or the device that the options name."""
    import torch

    from ._placing import placed

    try:
        loaded = torch.jit.load(str(path / _FILE), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise StoreError(
            f"The file '{path / _FILE}' cannot be read: {str(error).splitlines()[0]}",
            why="It is missing, damaged, or holds no compiled module",
            fix="Of what torch.save wrote, save it with tiffin.torch",
            path=str(path / _FILE),
        ) from error
    return placed(loaded, options)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any], device: str | None) -> Any:
    """Return what was compiled in evaluation mode on its device, off the gradient graph; at save a copy of it."""
    from ._inference import Inference

    return Inference(obj, device, options)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's modules for TorchScript and for Lightning wrote, which is the same file."""
    kinds = {"bentoml.torchscript": "saved_model.pt", "bentoml.pytorch_lightning": "saved_model.pt"}
    return reading_of_file(foreign, kinds, _FILE)

"""Tiffin's adapter for PyTorch: modules, weights, and files that `torch.save` wrote.

Stored as `torch.save` writes it. Loading runs code that is stored in the file; of a stranger's file core builds weights and
plain data itself, and never unpickles.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl

from ._reader import inspect

_FILES = ("model.pt", "model.pth")


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores modules, and where it is asked for by name dicts of weights and files."""
    return AdapterInfo(
        types=["torch.nn.Module"],
        types_by_name=["collections.OrderedDict", "builtins.dict"],
        paths=True,
        distributions=["torch"],
        signatures=default_signatures,
        code_files=["*.pt", "*.pth"],
        code_readers={"*.pt": inspect, "*.pth": inspect},
        makers=makers,
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write the module or weights by `torch.save`; a file is kept as it is."""
    if isinstance(model, Path):
        target = path / f"model{model.suffix}"
        if target.name not in _FILES:
            raise ValueError(f"{model.name} is no file of torch.save's by its name: it should end in .pt or .pth")
        shutil.copyfile(model, target)
        return
    import torch

    torch.save(model, path / _FILES[0])


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Read the file onto the CPU; where it is not trusted, core builds what it holds."""
    name = next((name for name in _FILES if (path / name).exists()), _FILES[0])
    if not trusted:
        return read(name)
    import torch

    return torch.load(path / name, map_location="cpu", weights_only=False)


@hookimpl
def prepare(obj: Any, device: str | None) -> Any:
    """Return a module in evaluation mode on its device, off the gradient graph; at save it works on a copy."""
    from ._inference import Inference

    return Inference(obj, device) if callable(obj) else obj


@hookimpl
def values() -> list[Any]:
    """Return the kind of tensors."""
    from ._tensors import TensorKind

    return [TensorKind()]


def default_signatures(model: Any) -> dict[str, Any]:
    """Return the signature of a module's call; weights and files have none."""
    return {"__call__": {"batchable": True}} if callable(model) else {}


def makers() -> dict[str, Any]:
    """Return how core makes tensors of a stranger's file; asked for only when there is one."""
    from . import _makers

    return _makers.makers()

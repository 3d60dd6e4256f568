"""Tiffin's adapter for PyTorch: modules, exported programs, weights, and files that `torch.save` wrote.

A module is stored as its weights, in safetensors' format, and as a pickle of all else. Loading runs code that is stored in
the pickle; of a stranger's `torch.save` file core builds weights and plain data itself, and never unpickles.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.plugins import ForeignModel, ForeignReading, Saved, reading_of_file

from ._reader import inspect

_SUFFIXES = (".pt", ".pth", ".pt2", ".safetensors")


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores modules and programs, and where it is asked for by name dicts of weights and files."""
    return AdapterInfo(
        types=["torch.nn.Module", "torch.export.ExportedProgram"],
        types_by_name=["collections.OrderedDict", "builtins.dict"],
        paths=True,
        distributions=["torch"],
        signatures=default_signatures,
        options={"format": "state_dict", "device": "", "dtype": "", "gradients": False},
        code_files=[*pickling.CODE_FILES, "*.pt", "*.pth", "*.pt2"],
        code_readers={"*.pkl": "pickle", "*.pt": inspect, "*.pth": inspect},
        makers=makers,
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved | None:
    """Write weights and pickle; by `torch.save` what is no module, or with format="whole"; a file is kept as it is."""
    whole = _check_format(options["format"]) == "whole"
    if isinstance(model, Path):
        if model.suffix not in _SUFFIXES:
            raise ValueError(
                f"{model.name} is no file of PyTorch's by its name: it should end in {', '.join(_SUFFIXES)}"
            )
        shutil.copyfile(
            model, path / ("weights.safetensors" if model.suffix == ".safetensors" else f"model{model.suffix}")
        )
        return None
    import torch

    if isinstance(model, torch.export.ExportedProgram):
        torch.export.save(model, path / "model.pt2")
        return None
    module = getattr(model, "_orig_mod", model)
    lost = [] if module is model else ["that torch.compile has wrapped it: compile it again where it runs"]
    if whole or not isinstance(model, torch.nn.Module):
        torch.save(module, path / "model.pt")
    else:
        from . import _modules

        lost += _modules.dump(module, path)
    return Saved(lost=lost)


@hookimpl
def load(path: Path, options: Mapping[str, Any], trusted: bool, read: Any) -> Any:
    """Read what is there, by the names of its files; where it is not trusted, core builds what it holds."""
    if not trusted:
        return read(next((name for name in ("model.pt", "model.pth") if (path / name).exists()), "model.pkl"))
    from ._files import load_files
    from ._placing import placed

    return placed(load_files(path), options)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any], device: str | None) -> Any:
    """Return a module in evaluation mode on its device, off the gradient graph; at save it works on a copy."""
    from ._files import module_of
    from ._inference import Inference

    return Inference(module_of(obj), device, options) if callable(obj) else obj


@hookimpl
def values() -> list[Any]:
    """Return the kind of tensors."""
    from ._tensors import TensorKind

    return [TensorKind()]


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module and MLflow's flavor wrote by `torch.save`, or exported."""
    if "data/model.pt2" in foreign.files:
        return reading_of_file(foreign, {"pytorch": "data/model.pt2"}, "model.pt2")
    return reading_of_file(foreign, {"bentoml.pytorch": "saved_model.pt", "pytorch": "data/model.pth"}, "model.pt")


def default_signatures(model: Any) -> dict[str, Any]:
    """Return the signature of a module's call; weights and files have none."""
    if not callable(model):
        return {}
    from ._files import takes_any_batch

    return {"__call__": {"batchable": takes_any_batch(model)}}


def makers() -> dict[str, Any]:
    """Return how core makes tensors of a stranger's file; asked for only when there is one."""
    from . import _makers

    return _makers.makers()


def _check_format(name: Any) -> str:
    if name not in ("state_dict", "whole"):
        raise ValueError(f"format={name!r} is neither 'state_dict' nor 'whole', which are how a module can be written")
    return str(name)

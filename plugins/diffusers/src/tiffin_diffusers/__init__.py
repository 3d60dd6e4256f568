"""Tiffin's adapter for diffusers: pipelines, in the library's own folders, with weights in safetensors' format.

Components are of classes of diffusers' and transformers' own, compared with a closed list: loading runs no code of the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, NotMine


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores pipelines, and folders of them where it is asked for by name."""
    return AdapterInfo(
        types=["diffusers.DiffusionPipeline"],
        paths=True,
        distributions=["diffusers", "transformers", "torch"],
        signatures={"__call__": {}},
        options={"device": "", "dtype": "", "seed": -1},
        code_files=["*.py"],
        code_readers={},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write the components by `save_pretrained`, each into its folder; a folder is copied."""
    from . import _components

    if isinstance(model, Path):
        _components.copy_folder(model, path)
        return
    unknown = _components.unknown({**model.config, "_class_name": type(model).__name__})
    if unknown:
        raise NotMine(f"It is, or has, a {unknown}, which is no class of diffusers' or transformers' own")
    model.save_pretrained(path, safe_serialization=True)


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the components, and put them where the options say."""
    from . import _components

    return _components.read(path, options)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any], device: str | None) -> Any:
    """Return what makes images on its device, and takes a number as a seed."""
    from ._running import Running

    return Running(obj, options, device)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module wrote, which is the same folder, one level down."""
    if (foreign.tool, foreign.kind) != ("bentoml", "bentoml.diffusers"):
        return None
    inner = "diffusion_model/"
    return ForeignReading(renames={name: name.removeprefix(inner) for name in foreign.files if name.startswith(inner)})

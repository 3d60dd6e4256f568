"""The components of a pipeline: of which classes they may be, and how they are read from a folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import transformers
from diffusers import pipelines
from safetensors import SafetensorError, safe_open

from tiffin.exceptions import StoreError, TiffinError
from tiffin.info import read_json
from tiffin_torch.running import device_of, dtype_of, placed

INDEX = "model_index.json"
_BASES = (
    diffusers.ModelMixin, diffusers.SchedulerMixin, transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase,
    transformers.FeatureExtractionMixin, transformers.ImageProcessingMixin,
)  # fmt: skip


def unknown(index: Mapping[str, Any]) -> str:
    """Return the first class that an index names and that is not on the list; "" where all are.

    Args:
        index: what model_index.json says: the pipeline's class as `_class_name`, and each component's as [library, class].
    """
    found = getattr(diffusers, str(index.get("_class_name")), None)
    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        return str(index.get("_class_name"))
    for name, named in index.items():
        if name.startswith("_") or not isinstance(named, (list, tuple)) or named[0] is None:
            continue
        kind = _class(*named) if len(named) == 2 else None
        if not (isinstance(kind, type) and issubclass(kind, _BASES)):
            return ".".join(map(str, named))
    return ""


def _class(library: Any, name: Any) -> Any:
    # "stable_diffusion" stands for that module of diffusers' pipelines; nothing is imported by a name of the file's.
    libraries = {"diffusers": diffusers, "transformers": transformers}
    found = libraries.get(str(library)) or getattr(pipelines, str(library), None)
    return getattr(found, str(name), None)


def copy_folder(folder: Path, path: Path) -> None:
    """Copy a folder that `save_pretrained` wrote, without weights of other formats than safetensors'."""
    others = ("*.bin", "*.bin.index.json", "*.msgpack", "*.onnx", "*.pt", "*.ckpt", ".*")
    shutil.copytree(folder, path, ignore=shutil.ignore_patterns(*others), dirs_exist_ok=True)


def read(path: Path, options: Mapping[str, Any]) -> Any:
    """Return the pipeline.

    Raises:
        StoreError: a file is missing or damaged, or names a class that is not on the list.
        SignatureError: there is no such device or type of elements.
    """
    device_of(options)
    dtype = dtype_of(options)
    try:
        index = read_json(path / INDEX)
        stranger = unknown(index)
        if stranger:
            raise _unreadable(path, f"{INDEX} names {stranger}, which is no class of diffusers' or transformers' own")
        _check_kernels(path)
        kind = getattr(diffusers, index["_class_name"])
        named = {} if dtype is None else {"torch_dtype": dtype}
        made = kind.from_pretrained(str(path), local_files_only=True, use_safetensors=True, **named)
        for name, component in made.components.items():
            _check_weights(path / name, component)
    except TiffinError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, SafetensorError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {str(error).strip()[:500]}") from error
    for component in made.components.values():
        placed(component, {**options, "dtype": ""})
    return made


def _check_kernels(path: Path) -> None:
    """Refuse components whose configuration, or a part of it, names code of a repository to compute attention with."""
    for file in sorted(path.glob("*/config.json")):
        pending: list[Any] = [read_json(file)]
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, dict):
                pending += value.values()
                named = {key: one for key, one in value.items() if key.endswith("_implementation") and "/" in str(one)}
                if named:
                    raise _unreadable(path, f"{file.parent.name}/{file.name} names code to fetch: {named}")


def _check_weights(folder: Path, component: Any) -> None:
    """Refuse a component whose weights are not all there: the library would go on with others."""
    if not isinstance(component, diffusers.ModelMixin):
        return
    found: set[str] = set()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            found.update(weights.keys())
    missing = sorted(set(component.state_dict()) - found)
    if missing:
        raise _unreadable(folder, f"{len(missing)} weights are missing, {missing[0]!r} among them")


def _unreadable(path: Path, what: str) -> StoreError:
    return StoreError(
        f"diffusers cannot read '{path}': {what}",
        why="A file is missing, damaged, of another format than safetensors', or of another version of diffusers "
        f"than {diffusers.__version__}",
        fix="Compare the model's digests (tiffin models verify), or save it again",
        path=str(path),
    )

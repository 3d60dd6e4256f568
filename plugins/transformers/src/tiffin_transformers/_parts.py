"""The parts that objects of the library's consist of, their classes, and how they are written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import transformers

from tiffin.exceptions import MetadataError, SignatureError, StoreError
from tiffin.info import plain
from tiffin.plugins import NotMine

BASES = {
    "processor": "ProcessorMixin",
    "model": "PreTrainedModel",
    "tokenizer": "PreTrainedTokenizerBase",
    "image_processor": "ImageProcessingMixin",
    "feature_extractor": "FeatureExtractionMixin",
}
"""Part → the class of the library's that all of its kind derive from."""
AUTO = {
    "processor": "AutoProcessor",
    "model": "AutoModel",
    "tokenizer": "AutoTokenizer",
    "image_processor": "AutoImageProcessor",
    "feature_extractor": "AutoFeatureExtractor",
}
"""Part → the class of the library's that finds its class by what the folder says."""
_STEPS = ("preprocess", "forward", "postprocess")


def class_named(part: str, name: str) -> type[Any] | None:
    """Return the library's own public class of this name, `None` where it has no such class for this part."""
    found = getattr(transformers, name, None) if name in dir(transformers) else None
    base = getattr(transformers, BASES[part])
    return found if isinstance(found, type) and issubclass(found, base) and found is not base else None


def parts_of(obj: Any) -> dict[str, Any]:
    """Return what an object consists of, by the names of parts: a pipeline of several, everything else of itself."""
    if isinstance(obj, transformers.Pipeline):
        return {part: found for part in BASES if (found := getattr(obj, part, None)) is not None}
    return {part: obj for part, base in BASES.items() if isinstance(obj, getattr(transformers, base))}


def write(obj: Any, path: Path, options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any], list[str]]:
    """Write the parts of an object; returns their classes, a pipeline's parameters, and what is not kept.

    Raises:
        NotMine: a class is none of the library's, so that the folder alone would not bring it back.
    """
    parts = parts_of(obj)
    for part, found in parts.items():
        name = type(found).__name__
        if class_named(part, name) is not type(found) and not options["trust_remote_code"]:
            raise NotMine(
                f"{name} is no class of transformers' own. With trust_remote_code=True the code of a class that was "
                "registered for an Auto class is stored and run"
            )
        if getattr(found, "_hf_peft_config_loaded", False):
            raise NotMine("It has adapters of PEFT, which would be written without the model: merge them first")
    parameters, lost = _parameters(obj) if isinstance(obj, transformers.Pipeline) else ({}, [])
    for found in parts.values():
        found.save_pretrained(path)
    return {part: type(found).__name__ for part, found in parts.items()}, parameters, lost


def copy_folder(folder: Path, path: Path) -> None:
    """Copy a folder that `save_pretrained` wrote, without weights of other formats than safetensors'.

    Raises:
        StoreError: it is none.
    """
    if not any(folder.glob("*config*.json")):
        raise StoreError(
            f"'{folder}' is no folder of transformers': it has no configuration",
            fix="Give the folder that save_pretrained wrote",
            path=str(folder),
        )
    others = ("*.bin", "*.bin.index.json", "*.h5", "*.msgpack", "*.onnx", "*.pt", "*.ckpt", ".*")
    shutil.copytree(folder, path, ignore=shutil.ignore_patterns(*others), dirs_exist_ok=True)


def pipeline_class(task: str) -> type[Any]:
    """Return the library's class of pipelines for a task.

    Raises:
        SignatureError: it has no such task.
    """
    from transformers.pipelines import PIPELINE_REGISTRY

    try:
        found = PIPELINE_REGISTRY.check_task(task)[1]["impl"]
    except KeyError as error:
        known = ", ".join(PIPELINE_REGISTRY.get_supported_tasks())
        why = f"This is transformers {transformers.__version__}, which has {known}"
        raise SignatureError(f"task={task!r} is no task of transformers'", why=why, method="") from error
    # A class, or its dotted name in newer releases, which have all of these classes as public names.
    kind: type[Any] = getattr(transformers, found.rpartition(".")[2]) if isinstance(found, str) else found
    return kind


def _parameters(pipeline: Any) -> tuple[dict[str, Any], list[str]]:
    """Return what a pipeline was made with, step by step, as plain values, and what has none."""
    if pipeline_class(pipeline.task) is not type(pipeline):
        raise NotMine(f"{type(pipeline).__name__} is not the class that transformers has for {pipeline.task!r}")
    kept: dict[str, Any] = {}
    lost = ["the assistant model"] if getattr(pipeline, "assistant_model", None) is not None else []
    for step, name, value in _settings(pipeline):
        try:
            value = (
                {"enum": type(value).__name__, "name": value.name} if isinstance(value, Enum) else plain(value, name)
            )
            kept.setdefault(step, {})[name] = value
        except MetadataError:
            lost.append(f"the parameter {name!r}, {value!r:.80}")
    return kept, lost


def _settings(pipeline: Any) -> Iterator[tuple[str, str, Any]]:
    for step in _STEPS:
        yield from ((step, name, value) for name, value in getattr(pipeline, f"_{step}_params").items())
    yield from (("generate", name, value) for name, value in getattr(pipeline, "_generate_kwargs", {}).items())


def give_parameters(pipeline: Any, parameters: Mapping[str, Any]) -> None:
    """Give a pipeline the parameters that it was made with."""
    # Enumerations are those of the pipeline's own module.
    module = vars(sys.modules[type(pipeline).__module__])
    for step, kept in parameters.items():
        given = pipeline._generate_kwargs if step == "generate" else getattr(pipeline, f"_{step}_params")
        for name, value in kept.items():
            if isinstance(value, dict) and value.keys() == {"enum", "name"}:
                kind = module.get(value["enum"])
                value = kind[value["name"]] if isinstance(kind, type) and issubclass(kind, Enum) else None
            given[name] = value

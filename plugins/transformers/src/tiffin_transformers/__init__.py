"""Tiffin's adapter for transformers: models, tokenizers, processors and pipelines, in the library's own folders.

Weights are in safetensors' format, and classes are the library's own, found by name in a closed list: loading runs no code of
the files, unless the user says `trust_remote_code` of a folder that brings classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, Saved


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores what has `save_pretrained`, and folders of it where it is asked for by name."""
    kinds = ("PreTrainedModel", "PreTrainedTokenizerBase", "ProcessorMixin", "FeatureExtractionMixin")
    return AdapterInfo(
        types=[f"transformers.{name}" for name in (*kinds, "ImageProcessingMixin", "Pipeline")],
        paths=True,
        distributions=["transformers", "torch"],
        signatures=default_signatures,
        options={"task": "", "classes": {}, "parameters": {}, "device": "", "dtype": "", "trust_remote_code": False},
        # A processor's configuration names classes, which the library makes with arguments that stand there, too.
        code_files=["*.py", "processor_config.json"],
        code_readers={},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved:
    """Write the parts by `save_pretrained` into one folder; a folder is copied."""
    from . import _parts

    if isinstance(model, Path):
        _parts.copy_folder(model, path)
        return Saved()
    found, parameters, lost = _parts.write(model, path, options)
    task = options["task"] or getattr(model, "task", "")
    return Saved(options={**options, "task": task, "classes": found, "parameters": parameters}, lost=lost)


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the parts, each into its class; with a task they become a pipeline."""
    from . import _reading

    return _reading.read(path, options)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any], device: str | None) -> Any:
    """Return what answers in inference mode on its device, and streams what a model writes."""
    from ._running import running

    return running(obj, options, device)


@hookimpl
def values() -> list[Any]:
    """Return the kinds of what tokenizers and processors return, and of what models do."""
    from ._values import EncodingKind, OutputKind

    return [EncodingKind(), OutputKind()]


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module wrote, which is a folder of the library's; its pickles stay unread."""
    if (foreign.tool, foreign.kind) != ("bentoml", "bentoml.transformers"):
        return None
    return ForeignReading(options={"task": foreign.fields.get("options", {}).get("task") or ""})


def default_signatures(model: Any) -> dict[str, Any]:
    """Return those of models and pipelines, whose calls merge, and of what else can be called; models that write stream."""
    if isinstance(model, Path):
        return {"__call__": {"batchable": True}} if (model / "config.json").exists() else {"__call__": {}}
    module = getattr(model, "model", model)
    found: dict[str, Any] = {"__call__": {"batchable": hasattr(module, "forward")}} if callable(model) else {}
    if hasattr(module, "can_generate") and module.can_generate():
        if module is model:
            found |= {"generate": {}, "stream": {"stream": True}}
        elif model.task == "text-generation":
            found |= {"stream": {"stream": True}}
    return found

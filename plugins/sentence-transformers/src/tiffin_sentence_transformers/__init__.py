"""Tiffin's adapter for sentence-transformers: models that embed texts, and such that compare pairs of them.

Stored as the library writes them, with weights in safetensors' format. Their modules are the library's own, compared with a
closed list before anything is imported: loading runs no code of the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import NotMine

METHODS = {"SentenceTransformer": "encode", "CrossEncoder": "predict"}
"""Class of the library's → its method."""


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores two classes of the library's, and folders where it is asked for by name."""
    return AdapterInfo(
        types=[f"sentence_transformers.{name}" for name in METHODS],
        paths=True,
        distributions=["sentence-transformers", "transformers", "torch"],
        signatures=default_signatures,
        options={"model_class": "", "device": "", "dtype": ""},
        # As for transformers: a processor's configuration names classes with their arguments.
        code_files=["*.py", "processor_config.json"],
        code_readers={},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write the modules as the library does; a folder is copied."""
    from . import _modules

    if isinstance(model, Path):
        _modules.copy_folder(model, path)
        return None
    unknown = _modules.unknown(model)
    if unknown:
        raise NotMine(f"{unknown} is no class of sentence-transformers' own")
    model.save_pretrained(str(path), create_model_card=False, safe_serialization=True)
    return {**options, "model_class": type(model).__name__}


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the modules onto the CPU, or where the options say."""
    from . import _modules

    return _modules.read(path, options)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any], device: str | None) -> Any:
    """Return what answers on its device, without a bar of its progress."""
    from ._running import Running

    return Running(obj, options, device)


def default_signatures(model: Any) -> dict[str, Any]:
    """Return the signature of the class's method, whose calls merge: a list of texts, or of pairs, is a batch."""
    method = "encode" if isinstance(model, Path) else METHODS.get(type(model).__name__, "encode")
    return {method: {"batchable": True}}

"""The modules of a model: of which classes they may be, and how they are read from a folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sentence_transformers
from safetensors import SafetensorError
from sentence_transformers.sentence_transformer import modules

from tiffin.exceptions import StoreError, TiffinError
from tiffin_sentence_transformers import METHODS
from tiffin_torch.running import device_of, dtype_of, placed

_ACTIVATION = re.compile(r"torch\.nn\.modules\.(?:activation|linear)\.[A-Za-z0-9]+")


def unknown(model: Any) -> str:
    """Return the name of the first class, of a model or of its modules, that is not on the list; "" where all are."""
    kinds = [*map(type, model), type(model)]
    listed = [getattr(modules, name, None) for name in modules.__all__]
    listed += [getattr(sentence_transformers, name) for name in METHODS]
    return next((kind.__name__ for kind in kinds if kind not in listed), "")


def copy_folder(folder: Path, path: Path) -> None:
    """Copy a folder that the library wrote, without weights of other formats than safetensors'."""
    others = ("*.bin", "*.bin.index.json", "*.h5", "*.onnx", "*.pt", "*.ckpt", ".*")
    shutil.copytree(folder, path, ignore=shutil.ignore_patterns(*others), dirs_exist_ok=True)


def read(path: Path, options: Mapping[str, Any]) -> Any:
    """Return the model.

    Raises:
        StoreError: a file is missing or damaged, or names a class that is not on the list.
        SignatureError: there is no such device or type of elements.
    """
    device_of(options), dtype_of(options)
    try:
        settings = _json(path / "config_sentence_transformers.json") if options["model_class"] == "" else {}
        name = options["model_class"] or settings.get("model_type", "SentenceTransformer")
        strange = next(_strange(path), "") or ("" if name in METHODS else str(name))
        if strange:
            raise _unreadable(path, f"it names {strange}, which is no class of sentence-transformers' own")
        kind = getattr(sentence_transformers, name)
        made = kind(
            str(path),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except TiffinError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, SafetensorError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {str(error).strip()[:500]}") from error
    return placed(made, options)


def _strange(path: Path) -> Iterator[str]:
    """Yield the classes that files name, to be imported by the library, and that are not on the list."""
    for file in path.rglob("*.json"):
        if "tokenizer" in file.name or "vocab" in file.name:
            continue  # of text, and long
        found = _json(file)
        for module in found if isinstance(found, list) else [found]:
            named = module if isinstance(module, dict) else {}
            types = named.get("types", {})
            kinds = (
                [named["type"]] if file.name == "modules.json" else [*types.values()] if isinstance(types, dict) else []
            )
            for kind in kinds:
                package, _, name = str(kind).rpartition(".")
                if package.partition(".")[0] != "sentence_transformers" or name not in modules.__all__:
                    yield str(kind)
            for activation in _activations(named):
                if not _ACTIVATION.fullmatch(activation):
                    yield activation


def _activations(named: Mapping[str, Any]) -> Iterator[str]:
    for name, value in named.items():
        if isinstance(value, dict):
            yield from _activations(value)
        elif name in ("activation_function", "activation_fn") and isinstance(value, str) and "." in value:
            yield value


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _unreadable(path: Path, what: str) -> StoreError:
    return StoreError(
        f"sentence-transformers cannot read '{path}': {what}",
        why="A file is missing, damaged, of another format than safetensors', or of another version of the library "
        f"than {sentence_transformers.__version__}",
        fix="Compare the model's digests (tiffin models verify), or save it again",
        path=str(path),
    )

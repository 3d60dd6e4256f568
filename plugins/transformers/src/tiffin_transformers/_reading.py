"""Reads the parts from a folder: each into the class that the record, or the folder itself, names of the library's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError

from tiffin.exceptions import SignatureError, StoreError, TiffinError
from tiffin.info import read_json
from tiffin_torch.running import device_of, dtype_of, placed

from . import _parts

_OF_PARTS = {
    "processor": "processor_config.json",
    "tokenizer": "tokenizer_config.json",
    "image_processor": "preprocessor_config.json",
    "feature_extractor": "preprocessor_config.json",
}


def read(path: Path, options: Mapping[str, Any]) -> Any:
    """Return the one part, or the pipeline of the task, on the device that the options name.

    Raises:
        StoreError: a file is missing or damaged, or is code that nobody has said to trust.
        SignatureError: a class, task, device or type of elements is none.
    """
    device_of(options), dtype_of(options)
    task = options["task"]
    classes = options["classes"] or _found(path, task)
    kind = _parts.pipeline_class(task) if task else None
    parts = {part: _part(path, part, name, options) for part, name in classes.items()}
    if kind is None:
        return next(iter(parts.values()))
    made = kind(task=task, device=parts["model"].device, **parts)
    _parts.give_parameters(made, options["parameters"])
    return made


def _found(path: Path, task: str) -> dict[str, str]:
    """Return what a folder has that another program wrote, and the classes that it names; "" where it names none."""
    config, preprocessor = _json(path / "config.json"), _json(path / "preprocessor_config.json")
    found = {"model": str(next(iter(config.get("architectures") or ()), ""))} if config else {}
    if found and not task:
        return found
    for part, file in _OF_PARTS.items():
        if (path / file).exists() and (
            part not in ("image_processor", "feature_extractor") or f"{part}_type" in preprocessor
        ):
            found[part] = str(preprocessor.get(f"{part}_type") or "")
            if not task:
                break
    if not found:
        raise _unreadable(path, "it has no configuration of transformers'")
    return found


def _part(path: Path, part: str, name: str, options: Mapping[str, Any]) -> Any:
    if part not in _parts.BASES:
        raise SignatureError(f"classes={{{part!r}: …}} names no part of transformers' objects", method="")
    kind = _parts.class_named(part, name)
    trusting = options["trust_remote_code"]
    if kind is None and (trusting or (not name and part != "model")):
        kind = getattr(transformers, _parts.AUTO[part])
    if kind is None:
        raise _unknown(path, part, name)
    _check_names(path, trusting)
    named: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trusting}
    try:
        return _model(kind, path, options, named) if part == "model" else kind.from_pretrained(str(path), **named)
    except TiffinError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {str(error).strip()[:500]}") from error


def _model(kind: Any, path: Path, options: Mapping[str, Any], named: dict[str, Any]) -> Any:
    config = _json(path / "config.json")
    wanted = getattr(getattr(kind, "config_class", None), "model_type", None)
    if wanted and config.get("model_type") not in (None, wanted):
        raise _unreadable(path, f"{kind.__name__} is of the type {wanted!r}, and the files of {config['model_type']!r}")
    if (path / "adapter_config.json").exists():
        raise _unreadable(path, "it has an adapter of PEFT, which names a model that is elsewhere: merge the two first")
    model, said = kind.from_pretrained(
        str(path), use_safetensors=True, output_loading_info=True, dtype=dtype_of(options) or "auto", **named
    )
    if said["missing_keys"]:
        missing = sorted(said["missing_keys"])
        raise _unreadable(path, f"{len(missing)} weights of {kind.__name__} are missing, {missing[0]!r} among them")
    return placed(model, options)


def _check_names(path: Path, trusting: bool) -> None:
    """Refuse configurations that name code outside the folder, whose files nobody has been asked to trust.

    Raises:
        StoreError: one of them does.
    """
    for file in sorted(path.rglob("*config*.json")):
        for key, value in _fields(_json(file)):
            if key == "auto_map":
                named = [one for _, one in _fields({"": value}) if isinstance(one, str)]
                elsewhere = [one for one in named if "--" in one or not re.fullmatch(r"[\w-]+\.\w+", one)]
                if elsewhere:
                    raise _unreadable(path, f"auto_map in {file.name} names code that is elsewhere: {elsewhere[0]!r}")
            elif key.endswith("_implementation") and "/" in json.dumps(value) and not trusting:
                raise _unreadable(path, f"{key}={value!r} in {file.name} names code to fetch")


def _fields(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield each field of dicts within dicts and lists; an item of a list goes by the name of nothing."""
    pending = [content]
    while pending:
        value = pending.pop()
        items = value.items() if isinstance(value, dict) else (("", one) for one in value)
        for key, item in items:
            yield key, item
            if isinstance(item, (dict, list)):
                pending.append(item)


def _json(file: Path) -> dict[str, Any]:
    return read_json(file) if file.exists() else {}


def _unknown(path: Path, part: str, name: str) -> StoreError:
    written = _json(path / "config.json").get("transformers_version")
    here = f"This is transformers {transformers.__version__}" + (f", the files are of {written}" if written else "")
    code = sorted(file.name for file in path.glob("*.py"))
    if code:
        why = f"The folder brings its own class in {', '.join(code)}, and its code would run"
        fix = "Read that code; if you trust it, load with trust_remote_code=True"
    else:
        why, fix = here, "Install the version that wrote it, or a newer one"
    return StoreError(f"transformers has no class {name!r} for a {part}", why=why, fix=fix, path=str(path))


def _unreadable(path: Path, what: str) -> StoreError:
    return StoreError(
        f"transformers cannot read '{path}': {what}",
        why="A file is missing, damaged, of another format than safetensors', or of another version of transformers "
        f"than {transformers.__version__}",
        fix="Compare the model's digests (tiffin models verify), or save it again",
        path=str(path),
    )

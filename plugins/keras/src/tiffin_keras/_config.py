"""What a `.keras` file says of itself, read without Keras: the classes and functions that it names.

The layout is that of Keras 3: an archive, or a folder, with config.json, in which each object is a dict with `class_name`,
`module`, `registered_name` and `config`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiffin.exceptions import SignatureError
from tiffin.inspection import Inspection, Unfollowable, open_archive
from tiffin.plugins import ForeignModel

FILE, UNPACKED = "model.keras", "config.json"
_BACKENDS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
_MODULES = frozenset({
    "keras", "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers", "keras.layers",
    "keras.losses", "keras.metrics", "keras.models", "keras.optimizers", "keras.optimizers.schedules", "keras.quantizers",
    "keras.random", "keras.regularizers", "keras.src.models.functional", "keras.src.models.sequential",
})  # fmt: skip
_OPERATIONS = "keras.src.ops."
_CODE = {
    "__lambda__": "a function as bytecode",
    "__typespec__": "a type of TensorFlow's, found by name",
    "Lambda": "a layer whose function is in the file",
    "TFSMLayer": "a layer that loads a SavedModel",
    "TorchModuleWrapper": "a layer that holds a pickle",
    "JaxLayer": "a layer whose functions are in the file",
    "FlaxLayer": "a layer whose module is in the file",
}
"""Names of classes that are code, or load it, whatever module they are said to be of."""
_ALWAYS = "Keras makes layers as large as the file says, and reads other files that it names"
_PLAIN = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"})
_MOST = 64 << 20
_MOST_MEMBERS = 100_000


def file_in(folder: Path) -> Path:
    """Return the file of a stored model that names its classes."""
    packed = folder / FILE
    return packed if packed.exists() else folder / UNPACKED


def config_of(file: Path) -> str:
    """Return the text of a model's config.json.

    Args:
        file: a `.keras` file, or the config.json itself.

    Raises:
        Unfollowable: it is neither, or too long.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        if file.name == UNPACKED:
            data = opened.read(_MOST + 1)
        else:
            with open_archive(opened, _MOST_MEMBERS) as archive:
                if UNPACKED not in archive.namelist():
                    raise Unfollowable(f"it has no {UNPACKED}")
                with archive.open(UNPACKED) as member:
                    data = member.read(_MOST + 1)
    if len(data) > _MOST:
        raise Unfollowable(f"its {UNPACKED} is longer than {_MOST >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unfollowable(f"its {UNPACKED} is no text") from error


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the dict of each object that a configuration describes.

    Raises:
        Unfollowable: it is no JSON, or nests without end.
    """
    try:
        pending = [json.loads(text)]
    except (ValueError, RecursionError) as error:
        raise Unfollowable(f"its {UNPACKED} is no JSON") from error
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def others(text: str) -> dict[str, str]:
    """Return what a configuration names that is not Keras' own: the name that Keras looks up → its dotted name.

    Functions that are said to be Python's may be Keras' own: Keras says that of both.

    Raises:
        Unfollowable: it is no JSON, or nests without end.
    """
    found = {}
    for described in objects(text):
        name, module = described.get("class_name"), described.get("module")
        key = described.get("config") if name == "function" else described.get("registered_name") or name
        # What a program has registered goes before Keras' own, and has another name than its class.
        is_plain_name = str(key).isidentifier() and key in (name, described.get("config"))
        if name in _PLAIN or name in _CODE or (is_plain_name and isinstance(module, str) and _is_kerass(module)):
            continue
        found[str(key)] = f"{module or '__main__'}.{key}"
    return found


def inspect(file: Path) -> Inspection:
    """Return what a file names that is not Keras' own, and what else its loading does; whatever it names, it needs trust."""
    names: list[str] = []
    problems = [_ALWAYS]
    try:
        text = config_of(file)
        kinds = {str(described.get("class_name")) for described in objects(text)}
        problems += [f"It has {said} ({name})" for name, said in _CODE.items() if name in kinds]
        # Of Python's functions Keras takes those that it has itself, and no other.
        names = [name for key, name in others(text).items() if name != f"builtins.{key}" or not key.isidentifier()]
    except Unfollowable as error:
        problems.append(f"The file cannot be followed: {error}")
    return Inspection("keras", tuple(sorted(names)), tuple(problems))


def _is_kerass(module: str) -> bool:
    return module in _MODULES or module.startswith(_OPERATIONS)


def check_backend(name: str) -> None:
    """Refuse a back end that Keras does not have.

    Raises:
        SignatureError: it is none.
    """
    if name and name not in _BACKENDS:
        raise SignatureError(
            f"backend={name!r} is no back end of Keras'",
            why="Those that run models are " + ", ".join(_BACKENDS),
            method="",
        )


def choose_backend(name: str) -> None:
    """Let Keras take a back end in this process, where it is installed, and nobody has chosen one yet."""
    known = name in _BACKENDS and importlib.util.find_spec(_BACKENDS[name])
    if known and "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", name)


def backend_of(foreign: ForeignModel) -> dict[str, str]:
    """Return the option that another tool's record tells."""
    name = foreign.fields.get("keras_backend")
    return {"backend": name} if isinstance(name, str) and name in _BACKENDS else {}

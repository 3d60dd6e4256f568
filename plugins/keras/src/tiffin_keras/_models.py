"""Models: how they are written and read by Keras, and how runners call them."""

from __future__ import annotations

import contextlib
import inspect
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from tiffin import pickling
from tiffin.exceptions import SignatureError, StoreError
from tiffin.inspection import Unfollowable

from . import _config

_guard = threading.Lock()
_locks: weakref.WeakKeyDictionary[Any, threading.Lock] = weakref.WeakKeyDictionary()
"""Model → what those take turns by who run it: it may be prepared for several."""


def backend() -> str:
    """Return the name of the back end that Keras has in this process."""
    return str(keras.backend.backend())


def write(model: Any, folder: Path) -> list[str]:
    """Write a model, and the classes and functions of one's own that it names; returns what is not kept.

    Raises:
        StoreError: it is not built, so it has no weights.
    """
    if not model.built:
        raise StoreError(
            f"The model {model.name!r} is not built: it has no weights yet",
            why="Keras makes them when it knows the shape of what comes in",
            fix="Call it once, or begin it with keras.Input(shape)",
            path="",
        )
    # Not as an archive: Keras would hold it in memory or in temporary files, and what lies apart is stored once.
    model.save(str(folder), zipped=False)
    wanted = _config.others(_config.config_of(folder / _config.UNPACKED))
    if not wanted:
        return []
    found = {
        name: part for name, part in _parts(model) if name in wanted and part.__module__.partition(".")[0] != "keras"
    }
    if found:
        pickling.dump(found, folder)
    missing = [name for name in sorted(wanted) if name not in found and not wanted[name].startswith("builtins.")]
    return [f"where {name!r} is defined: give it as custom_objects={{{name!r}: …}}" for name in missing]


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions that a model is made of, by the names that Keras registers them by."""
    metrics = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None)
    held = [getattr(model, "optimizer", None), *keras.tree.flatten([getattr(model, "loss", None), metrics])]
    for layer in model._flatten_layers():
        held.append(layer)
        for value in vars(layer).values():  # not flattened by Keras, which sorts keys, and some are layers
            several = value.values() if isinstance(value, dict) else value
            held += several if isinstance(value, (list, tuple, dict)) else [value]
    for one in held:
        if isinstance(one, types.FunctionType):
            yield one.__name__, one
            yield keras.saving.get_registered_name(one), one
        else:
            yield keras.saving.get_registered_name(type(one)), type(one)


def read(folder: Path, device: str, custom_objects: Mapping[str, Any]) -> Any:
    """Return the model of a folder. Runs code that is in it.

    Args:
        folder: where its files are.
        device: where its weights are put, as "gpu:0"; "" leaves that to Keras.
        custom_objects: of a user's, by name; those that the model names are asked for.

    Raises:
        StoreError: a file is missing or damaged, or names what is not there.
    """
    file = _config.file_in(folder)
    try:
        wanted = _config.others(_config.config_of(file))
    except (OSError, Unfollowable) as error:
        raise _unreadable(file, error) from error
    objects = pickling.load(folder) if (folder / "model.pkl").exists() else {}
    objects |= {name: custom_objects[name] for name in sorted(wanted) if name in custom_objects}
    with on(device):
        try:
            return keras.saving.load_model(
                file if file.name == _config.FILE else folder, custom_objects=objects, safe_mode=False
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, EOFError, NameError) as error:
            raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> StoreError:
    return StoreError(
        f"Keras cannot read '{file}': {type(error).__name__}: {str(error).strip()[:500]}",
        why="It is missing, damaged, of another version of Keras, or names classes and functions that are not stored with it",
        fix="Compare the model's digests (tiffin models verify), or save it again, with custom_objects={'Name': …}",
        path=str(file),
    )


def on(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return a block in which Keras puts what it makes on a device; "" leaves that to Keras.

    Raises:
        SignatureError: there is no such device here.
    """
    if not device:
        return contextlib.nullcontext()
    kind, _, number = device.lower().partition(":")
    try:
        with keras.device(device):
            keras.ops.zeros((1,))
        # TensorFlow takes another device in place of one that is not there.
        if backend() == "tensorflow" and f"{kind}:{number or 0}" not in map(
            str.lower, keras.distribution.list_devices()
        ):
            raise ValueError("TensorFlow has " + ", ".join(keras.distribution.list_devices()))
    except (ValueError, RuntimeError, AssertionError, IndexError) as error:
        raise SignatureError(
            f"device={device!r} is no device that is here: {str(error).splitlines()[0]}",
            fix="Give one such as 'cpu:0' or 'gpu:0', or leave it out: then Keras takes a GPU where it sees one",
            method="",
        ) from error
    return keras.device(device)  # type: ignore[no-any-return]


class Running:
    """A model as runners call it: its answers are arrays, and `predict` draws no bar of its progress.

    Args:
        model: the model.
        device: where what comes in is put; "" leaves that to Keras.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._model, self._device = model, device
        with _guard:  # `predict` keeps the function that it has compiled, and its steps, on the model
            self._lock = _locks.setdefault(model, threading.Lock())
        self.__signature__ = inspect.signature(model.call)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_model"], name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model, as for inference."""
        # On JAX, `predict` takes the weights off the model while it runs.
        turn = self._lock if backend() == "jax" else contextlib.nullcontext()
        with turn, on(self._device), _without_gradients():
            return keras.tree.map_structure(keras.ops.convert_to_numpy, self._model(*args, **kwargs))

    def predict(self, x: Any, **settings: Any) -> Any:
        """Predict in batches of the model's own; settings are those of Keras' method."""
        with self._lock, on(self._device):
            return self._model.predict(x, **{"verbose": 0, **settings})


def _without_gradients() -> contextlib.AbstractContextManager[Any]:
    if backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()  # type: ignore[no-any-return]

"""Arrays in a file of safetensors' format, and a pickle of all else that names them.

Whoever has the first file reads the arrays without this package and without running code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx, serialization, traverse_util
from safetensors import SafetensorError
from safetensors.flax import load_file, save_file

from tiffin import pickling
from tiffin.exceptions import SignatureError, StoreError

WEIGHTS, MESSAGE = "weights.safetensors", "weights.msgpack"
_reading: ContextVar[dict[str, Any]] = ContextVar("_reading")
_UNNAMED = "."
"""Begins the names of arrays that have none in the module; none of its own begins so."""
_COLLECTIONS = ("params", "batch_stats")
"""What is taken of the state that another tool stored: that of training has more."""


def dump(model: Any, path: Path) -> None:
    """Write a module's two files, or the one of a dict of arrays.

    Raises:
        StoreError: a module of linen has no variables, or a dict holds something else than arrays.
    """
    if isinstance(model, dict):
        save_file(_flat(model), path / WEIGHTS)
        return
    if isinstance(model, linen.Module):
        if model.scope is None:
            raise StoreError(
                f"The {type(model).__name__} has no variables",
                why="A module of linen does not hold them itself",
                fix="Save it with them: module.bind(variables)",
                path="",
            )
        module, variables = model.unbind()
        named = traverse_util.flatten_dict(variables)
        stored: Any = (module, variables)
    else:
        named = {names: one.get_value() for names, one in nnx.to_flat_state(nnx.state(model))}
        stored = model
    arrays = _Arrays(named)
    pickling.dump(stored, path, reducers={_CLASS: arrays.reduce})
    save_file(arrays.content, path / WEIGHTS)


def load(path: Path, custom_objects: Mapping[str, Any]) -> Any:
    """Return the module, or the dict of arrays. Runs code that is stored in the pickle.

    Args:
        path: the folder.
        custom_objects: by name; what BentoML wrote has the module among them.

    Raises:
        StoreError: a file is missing or damaged.
    """
    try:
        if (path / MESSAGE).exists():
            state = serialization.msgpack_restore((path / MESSAGE).read_bytes())
            state = jax.tree_util.tree_map(jnp.asarray, state)
            module = custom_objects.get("_module")
            if module is None:
                return state
            return module.bind({name: state[name] for name in _COLLECTIONS if name in state})
        arrays = load_file(path / WEIGHTS)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise StoreError(
            f"The arrays in '{path}' cannot be read: {type(error).__name__}: {error}",
            why="The file is missing, damaged, or of another format",
            fix="Compare the model's digests (tiffin models verify), or save it again",
            path=str(path),
        ) from error
    if not (path / "model.pkl").exists():
        return traverse_util.unflatten_dict(arrays, sep="/")
    token = _reading.set(arrays)
    try:
        made = pickling.load(path)
    finally:
        _reading.reset(token)
    return made[0].bind(made[1]) if isinstance(made, tuple) else made


def take(name: str) -> Any:
    """Return the array that a pickle names, while its module is loaded.

    Raises:
        LookupError: the file of arrays does not have it.
    """
    arrays = _reading.get({})
    if name not in arrays:
        raise LookupError(f"{WEIGHTS} has no array {name!r}")
    return arrays[name]


def on(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return a block in which arrays are made on a device, as "gpu:1"; "" leaves that to JAX.

    Raises:
        SignatureError: there is no such device here.
    """
    if not device:
        return contextlib.nullcontext()
    platform, _, number = device.partition(":")
    try:
        return jax.default_device(jax.devices(platform)[int(number or 0)])  # type: ignore[no-any-return]
    except (RuntimeError, ValueError, IndexError) as error:
        raise SignatureError(
            f"device={device!r} is no device that is here: {str(error).splitlines()[0]}",
            fix="Give one such as 'cpu:0' or 'gpu:1', or leave it out: then JAX takes what it sees first",
            method="",
        ) from error


_CLASS = type(jnp.zeros(0))


class _Arrays:
    """The arrays of a module: each is taken out of the pickle, and kept under the name that it has there."""

    def __init__(self, named: Mapping[tuple[Any, ...], Any]) -> None:
        self.content: dict[str, Any] = {}
        self._names = {id(array): "/".join(map(str, names)) for names, array in named.items()}
        # Arrays that are made while the pickle is written must not be freed before it is: others would get their ids.
        self._alive = list(named.values())

    def reduce(self, array: Any) -> Any:
        """Return how an array is pickled: by its name. Types that the file does not have are left to JAX."""
        if array.weak_type or not array.is_fully_addressable or array.dtype.name in ("complex64", "complex128"):
            return NotImplemented
        self._alive.append(array)
        name = self._names.setdefault(id(array), f"{_UNNAMED}{len(self._names)}")
        self.content[name] = array
        return take, (name,)


def _flat(arrays: dict[str, Any]) -> dict[str, Any]:
    try:
        return {name: jnp.asarray(value) for name, value in traverse_util.flatten_dict(arrays, sep="/").items()}
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"The dict holds something else than arrays: {error}",
            why="It is stored in safetensors' format, which has nothing else",
            fix="Leave the rest out, or give it to tiffin.picklable",
            path="",
        ) from error

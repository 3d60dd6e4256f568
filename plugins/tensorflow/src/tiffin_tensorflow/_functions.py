"""The functions of a module or SavedModel: what they take and give, and how runners call them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tiffin.exceptions import SignatureError, StoreError

_Function = tf.types.experimental.PolymorphicFunction
_Concrete = tf.types.experimental.ConcreteFunction


def functions(model: Any) -> dict[str, Any]:
    """Return the functions that a stored model has, by name: those that are public, the call, and signatures."""
    found = {}
    for name in dir(model):
        if name == "__call__" or not name.startswith("_"):
            # Without asking properties, which may compute.
            given = inspect.getattr_static(model, name, None)
            if isinstance(given, _Function) and _concrete(getattr(model, name)):
                found[name] = getattr(model, name)
    signatures = getattr(model, "signatures", {})
    return {**(signatures if isinstance(signatures, Mapping) else {}), **found}


def write(model: Any, folder: Path) -> list[str]:
    """Write a module, and return what a SavedModel does not keep.

    Raises:
        StoreError: it has no function that could be called once it is loaded.
    """
    kept = functions(model)
    if not kept:
        raise StoreError(
            f"The {type(model).__name__} has no function that TensorFlow can store",
            why="A SavedModel keeps methods that are a tf.function with an input_signature, or that were called before",
            fix="Write @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)]) above the method",
            path="",
        )
    signatures = getattr(model, "signatures", None)
    named = {"signatures": dict(signatures)} if isinstance(signatures, Mapping) and signatures else {}
    tf.saved_model.save(model, str(folder), **named)
    own = vars(type(model)) if isinstance(model, tf.Module) else {}
    lost = [name for name, value in own.items() if callable(value) and not name.startswith("_") and name not in kept]
    return [
        f"the method {name!r}, which is no tf.function, or was never called and has no input_signature" for name in lost
    ]


def read(folder: Path, device: str) -> Any:
    """Return what `tf.saved_model.load` makes of a folder. Runs what is stored in it.

    Raises:
        StoreError: it is damaged, or no SavedModel.
    """
    with on(device):
        try:
            return tf.saved_model.load(str(folder))
        except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
            raise StoreError(
                f"TensorFlow cannot read '{folder}': {type(error).__name__}: {str(error).strip()[:500]}",
                why="A file is missing or damaged, it is no SavedModel, or it needs operations that are not here",
                fix="Compare the model's digests (tiffin models verify), or save it again",
                path=str(folder),
            ) from error


def on(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return a block whose variables and operations are on a device, as "cpu:0"; "" leaves that to TensorFlow.

    Raises:
        SignatureError: there is no such device here.
    """
    if not device:
        return contextlib.nullcontext()
    here = [one.name.removeprefix("/device:").lower() for one in tf.config.list_logical_devices()]
    if device.lower() not in here:
        raise SignatureError(
            f"device={device!r} is no device that is here: {', '.join(here)}",
            fix="Give one of these, or leave it out: then TensorFlow takes a GPU where it sees one",
            method="",
        )
    return tf.device(device)  # type: ignore[no-any-return]


def signature_of(function: Any) -> dict[str, Any]:
    """Return a function's signature: batchable where the first axis of all that it takes and gives is free."""
    found = _concrete(function)
    batchable = bool(found) and all(map(_is_batchable, found))
    if len(found) != 1:
        return {"batchable": batchable}
    specs = {name: _spec(value) for name, value in _inputs(function, found[0]).items()}
    signature: dict[str, Any] = {"batchable": batchable}
    if specs and all(specs.values()):
        several = {"type": "arguments", "properties": specs}
        signature["input_spec"] = several if len(specs) > 1 else next(iter(specs.values()))
    output = _spec(found[0].structured_outputs)
    return {**signature, "output_spec": output} if output else signature


def _concrete(function: Any) -> list[Any]:
    if isinstance(function, _Concrete):
        return [function]
    if getattr(function, "input_signature", None) is not None:
        return [function.get_concrete_function()]
    restored = getattr(function, "concrete_functions", None)
    return list(function._list_all_concrete_functions() if restored is None else restored)


def _inputs(function: Any, concrete: Any) -> dict[str, Any]:
    """Return what a function takes, by name: it is called by position, a signature by name."""
    args, kwargs = concrete.structured_input_signature
    names = [name for name in inspect.signature(function).parameters if name != "self"] if args else []
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _spec(value: Any) -> dict[str, Any] | None:
    """Return the spec of a structure of tensors; `None` where one of them is of no kind that has one."""
    if isinstance(value, Mapping):
        items = {str(name): _spec(item) for name, item in value.items()}
        return {"type": "dict", "properties": items} if items and all(items.values()) else None
    if type(value) is tuple:
        parts = [_spec(item) for item in value]
        return {"type": "tuple", "items": parts} if parts and all(parts) else None
    # Of what a live function returned there are tensors without values, of a signature their descriptions.
    if not isinstance(value, tf.TensorSpec | tf.Tensor) or value.shape.rank is None or value.dtype == tf.string:
        return None
    return {"type": "array", "dtype": value.dtype.name, "shape": value.shape.as_list()}


def _is_batchable(concrete: Any) -> bool:
    flat = tf.nest.flatten([concrete.structured_input_signature, concrete.structured_outputs])
    tensors = [one for one in flat if isinstance(one, tf.TensorSpec | tf.Tensor)]
    return bool(tensors) and all(one.shape.rank and one.shape[0] is None for one in tensors)


class Running:
    """A module or SavedModel as runners call it: its functions and signatures are the methods, and take arrays, too.

    Args:
        model: the module.
        device: where they run, as "gpu:0"; "" leaves that to TensorFlow.
    """

    def __init__(self, model: Any, device: str) -> None:
        self._device = device
        self._functions = functions(model)
        if "__call__" in self._functions:
            self.__signature__ = inspect.signature(self._functions["__call__"])

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__.get("_functions", {}).get(name)
        if found is None:
            raise AttributeError(f"the stored model has no function {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            if isinstance(found, _Concrete):  # a signature, which takes names only
                kwargs = {**dict(zip(_inputs(found, found), args, strict=False)), **kwargs}
                args = ()
            return self._run(found, args, kwargs)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = (
            [inspect.Parameter(one, kind) for one in _inputs(found, found)] if isinstance(found, _Concrete) else None
        )
        method.__signature__ = inspect.Signature(names) if names else inspect.signature(found)  # type: ignore[attr-defined]
        return method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module."""
        return self._run(self._functions["__call__"], args, kwargs)

    def _run(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with on(self._device):
            args, kwargs = tf.nest.map_structure(
                lambda one: tf.convert_to_tensor(one) if hasattr(one, "dtype") else one, (args, kwargs)
            )
            return function(*args, **kwargs)

"""Tiffin's adapter for Flax: modules of linen and nnx, and dicts of JAX's arrays.

Arrays are stored in safetensors' format, and a module besides as a pickle of all else. Loading runs code that is stored in
the pickle; arrays alone are no code.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.plugins import ForeignModel, ForeignReading, reading_of_file


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores modules, and where it is asked for by name dicts of arrays and files of them."""
    return AdapterInfo(
        types=["flax.linen.Module", "flax.nnx.Module"],
        types_by_name=["builtins.dict"],
        paths=True,
        distributions=["flax", "jax", "jaxlib"],
        signatures=default_signatures,
        options={"device": ""},
        code_files=pickling.CODE_FILES,
        code_readers={},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write arrays and, of a module, a pickle of all else; a file is kept as it is."""
    if isinstance(model, Path):
        shutil.copyfile(model, path / ("weights.msgpack" if model.suffix == ".msgpack" else "weights.safetensors"))
        return
    from . import _arrays

    _arrays.dump(model, path)


@hookimpl
def load(path: Path, options: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> Any:
    """Read what is there, by the names of its files, onto the device that the options name."""
    from . import _arrays

    with _arrays.on(options["device"]):
        return _arrays.load(path, custom_objects)


@hookimpl
def prepare(obj: Any) -> Any:
    """Return a module of nnx in evaluation mode, a copy that has the same arrays; one of linen applied to its variables."""
    from ._modules import running

    return running(obj)


@hookimpl
def values() -> list[Any]:
    """Return the kind of arrays."""
    from ._values import ArrayKind

    return [ArrayKind()]


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module wrote: arrays as msgpack, and the module among its custom objects."""
    return reading_of_file(foreign, {"bentoml.flax": "saved_model.msgpack"}, "weights.msgpack")


def default_signatures(model: Any) -> dict[str, Any]:
    """Return the signature of a module's call; arrays and files have none."""
    return {"__call__": {"batchable": True}} if callable(model) else {}

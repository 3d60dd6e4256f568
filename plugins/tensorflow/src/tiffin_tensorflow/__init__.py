"""Tiffin's adapter for TensorFlow: modules as SavedModel folders, whose functions and signatures are the methods that run.

A SavedModel is a program: its operations read and write files. Load it only from people whom you trust.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, Saved

_INDEX = "saved_model.pb"


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores modules, what was loaded of a SavedModel, and folders where it is asked for by name."""
    twins = ["tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"]
    return AdapterInfo(
        types=["tensorflow.Module", "tensorflow.python.trackable.autotrackable.AutoTrackable"],
        paths=True,
        distributions=[twins],
        signatures=default_signatures,
        options={"device": ""},
        code_files=[_INDEX, "saved_model.pbtxt"],
        code_readers={},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path) -> Saved | None:
    """Write the functions and variables by `tf.saved_model.save`; a folder is copied."""
    if isinstance(model, Path):
        shutil.copytree(model, path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        return None
    from . import _functions

    return Saved(lost=_functions.write(model, path))


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the folder, and put its variables where the options say. Runs what is stored in it."""
    from tiffin.runners import given_threads

    if "tensorflow" not in sys.modules and given_threads():
        # Read when TensorFlow first computes; it does not look at what workers are given otherwise.
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(given_threads()))
    from . import _functions

    return _functions.read(path, options["device"])


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any]) -> Any:
    """Return an object whose methods are the functions and signatures."""
    from ._functions import Running

    return Running(obj, options["device"])


@hookimpl
def values() -> list[Any]:
    """Return the kind of tensors."""
    from ._tensors import TensorKind

    return [TensorKind()]


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's modules for TensorFlow and Keras 2 wrote, and MLflow's flavors, where it is a SavedModel."""
    if foreign.kind not in ("bentoml.tensorflow", "bentoml.keras", "tensorflow", "keras"):
        return None
    inner = next((name for name in ("", "tf2model/", "data/model/") if name + _INDEX in foreign.files), None)
    if inner is None:
        return None
    renames = {name: name.removeprefix(inner) for name in foreign.files if inner and name.startswith(inner)}
    return ForeignReading(renames=renames, used=["include_optimizer"])


def default_signatures(model: Any) -> dict[str, Any]:
    """Return what functions and signatures say of themselves: with specs, batchable where the first axis of all is free."""
    from . import _functions

    found = _functions.functions(_functions.read(model, "") if isinstance(model, Path) else model)
    return {name: _functions.signature_of(function) for name, function in found.items()}

"""Tiffin's adapter for Keras 3: models in its own format.

Keras makes what a file says, however large, and some layers read files that they name or run code: a stranger's needs trust.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.plugins import ForeignModel, ForeignReading, Saved, reading_of_file

from . import _config


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores models, and `.keras` files where it is asked for by name."""
    return AdapterInfo(
        types=["keras.Model"],
        paths=True,
        distributions=["keras"],
        signatures=default_signatures,
        options={"backend": "", "device": ""},
        code_files=[_config.FILE, _config.UNPACKED, *pickling.CODE_FILES],
        code_readers={_config.FILE: _config.inspect, _config.UNPACKED: _config.inspect, "*.pkl": "pickle"},
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved:
    """Write the model by Keras, and beside it the classes and functions of one's own that its file names."""
    _config.check_backend(options["backend"])
    if isinstance(model, Path):
        shutil.copyfile(model, path / _config.FILE)
        return Saved()
    from . import _models

    lost = _models.write(model, path)
    return Saved(options={"backend": options["backend"] or _models.backend()}, lost=lost)


@hookimpl
def load(path: Path, options: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> Any:
    """Read the model by Keras; what is not Keras' own comes from beside it, or is given."""
    _config.choose_backend(options["backend"])
    from . import _models

    return _models.read(path, options["device"], custom_objects)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any]) -> Any:
    """Return a model that answers with arrays, off the gradient graph."""
    from ._models import Running

    return Running(obj, options["device"])


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module wrote with Keras 3, a folder, and what MLflow's flavors did, a file."""
    if (foreign.tool, foreign.kind) == ("bentoml", "bentoml.keras") and _config.UNPACKED in foreign.files:
        return ForeignReading(used=["include_optimizer"])
    kinds = {"keras": "data/model.keras", "tensorflow": "data/model.keras"}
    return reading_of_file(foreign, kinds, _config.FILE, options=_config.backend_of(foreign))


def default_signatures(model: Any) -> dict[str, Any]:
    """Return the signatures of `predict` and of the call: batchable where one input has a first axis of any length."""
    inputs = None if isinstance(model, Path) else getattr(model, "inputs", None)
    batchable = not inputs or (len(inputs) == 1 and inputs[0].shape[:1] == (None,))
    return {"predict": {"batchable": batchable}, "__call__": {"batchable": batchable}}

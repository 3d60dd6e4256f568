"""Tiffin's adapter for LightGBM: boosters and estimators, in LightGBM's own format. Loading runs no code of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, OwnClasses, Saved, read_parameters, write_parameters

_CLASSES = OwnClasses("lightgbm", ("Booster", "LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker"))
_FILE, _PARAMETERS, _FITTED = "model.txt", "parameters.json", "fitted.json"
_FOREIGN = {"bentoml.lightgbm": ("saved_model.*", ""), "lightgbm": ("model.lgb", "")}


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores boosters, and the estimators that are LightGBM's own."""
    return _CLASSES.info()


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved:
    """Write the trees by LightGBM, all of them, and beside them what its file does not keep."""
    from . import _estimators

    name = _CLASSES.name_of(model)
    booster, parameters, fitted = _estimators.parts(model)
    write_parameters(fitted, path / _FITTED)
    lost = write_parameters(parameters, path / _PARAMETERS)
    booster.save_model(path / _FILE, num_iteration=-1)
    return Saved(options={"model_class": options["model_class"] or name}, lost=lost)


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the trees into an object of the class that the options name."""
    from . import _estimators

    cls = _CLASSES.get(options["model_class"])
    return _estimators.make(
        cls, path / _FILE, read_parameters(path / _PARAMETERS, cls), read_parameters(path / _FITTED)
    )


@hookimpl
def prepare(obj: Any, device: str | None) -> Any:
    """Return the object; an estimator takes as many threads as the process was given, which a booster does by itself."""
    from tiffin.runners import given_threads

    if device is not None and hasattr(obj, "n_jobs"):
        obj.n_jobs = given_threads() or obj.n_jobs
    return obj


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module and MLflow's flavor wrote, where it is the same file."""
    return _CLASSES.read_foreign(foreign, _FILE, _FOREIGN)

"""Tiffin's adapter for CatBoost: models in CatBoost's own format. Loading runs no code of a file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, NotMine, OwnClasses, Saved, read_parameters, write_parameters

_CLASSES = OwnClasses("catboost", ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"))
_FILE, _PARAMETERS = "model.cbm", "parameters.json"
_FOREIGN = {"bentoml.catboost": ("saved_model.cbm", "training_class_name"), "catboost": ("model.cb", "model_type")}


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores CatBoost's own classes of models."""
    return _CLASSES.info()


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved:
    """Write the model by CatBoost, and beside it the parameters as they were given, which its file keeps otherwise."""
    name = _CLASSES.name_of(model)
    if not model.is_fitted():
        raise NotMine("It is not fitted, and CatBoost writes only what is")
    lost = write_parameters(model.get_params(), path / _PARAMETERS)
    model.save_model(path / _FILE)
    return Saved(options={"model_class": options["model_class"] or name}, lost=lost)


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the file into an object of the class that the options name."""
    cls = _CLASSES.get(options["model_class"])
    model = cls().load_model(path / _FILE)
    model._init_params = read_parameters(path / _PARAMETERS, cls) or model._init_params
    return model


@hookimpl
def prepare(obj: Any, device: str | None) -> Any:
    """Return the model; it takes as many threads as the process was given, where a call names no other number."""
    from tiffin.runners import given_threads

    threads = given_threads()
    for name in ("predict", "predict_proba", "predict_log_proba"):
        if device is not None and threads and hasattr(obj, name):
            setattr(obj, name, functools.partial(getattr(obj, name), thread_count=threads))
    return obj


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module and MLflow's flavor wrote, where it is the same file."""
    return _CLASSES.read_foreign(foreign, _FILE, _FOREIGN)

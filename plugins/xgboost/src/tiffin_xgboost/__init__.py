"""Tiffin's adapter for XGBoost: boosters and estimators, in XGBoost's own format. Loading runs no code of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, NotMine, OwnClasses, Saved, read_parameters, write_parameters

_CLASSES = OwnClasses(
    "xgboost", ("Booster", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
)
_FILE, _PARAMETERS = "model.ubj", "parameters.json"
_FOREIGN = {"bentoml.xgboost": ("saved_model.ubj", "model_class"), "xgboost": ("model.ubj", "model_class")}


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores boosters, and the estimators that are XGBoost's own."""
    return _CLASSES.info(distributions=[["xgboost", "xgboost-cpu"]])


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> Saved:
    """Write the trees by XGBoost, and an estimator's parameters beside them, few of which XGBoost's file keeps."""
    name, lost = _CLASSES.name_of(model), []
    if name != "Booster":
        if not model.__sklearn_is_fitted__():
            raise NotMine("It is not fitted, and XGBoost writes only what is")
        lost = write_parameters(model.get_params(), path / _PARAMETERS)
        if getattr(model, "evals_result_", None):
            lost.append("evals_result_, the history of its fit")
    model.save_model(path / _FILE)
    return Saved(options={"model_class": options["model_class"] or name}, lost=lost)


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the trees into an object of the class that the options name."""
    cls = _CLASSES.get(options["model_class"])
    values = {} if options["model_class"] == "Booster" else read_parameters(path / _PARAMETERS, cls)
    model = cls(**values)
    model.load_model(path / _FILE)
    # What the file says of parameters stands for others, or for none.
    vars(model).update((name, value) for name, value in values.items() if name in vars(model))
    return model


@hookimpl
def prepare(obj: Any) -> Any:
    """Return a booster as what takes arrays and tables, which it does not itself."""
    from ._boosters import Arrays

    return obj if hasattr(obj, "get_params") else Arrays(obj)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module and MLflow's flavor wrote, where it is the same file."""
    return _CLASSES.read_foreign(foreign, _FILE, _FOREIGN)

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


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores boosters, and the estimators that are XGBoost's own."""
    return AdapterInfo(
        types=["xgboost.Booster", "xgboost.XGBModel"],
        distributions=[["xgboost", "xgboost-cpu"]],
        signatures={"predict": {"batchable": True}},
        options={"model_class": ""},
        code_files=(),
        cpu_multi_threading=True,
        holds_gil=False,
    )


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
    cls = _CLASSES.get(options["model_class"] or "Booster")
    values = {} if options["model_class"] == "Booster" else read_parameters(path / _PARAMETERS, cls)
    model = cls(**values)
    model.load_model(path / _FILE)
    # What the file says of parameters stands for others, or for none.
    vars(model).update((name, value) for name, value in values.items() if name in vars(model))
    return model


@hookimpl
def prepare(obj: Any) -> Any:
    """Return a booster as what takes arrays and tables, which it does not itself."""
    from ._boosters import of_arrays

    return of_arrays(obj)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module wrote, which is the same file."""
    if (foreign.tool, foreign.kind) != ("bentoml", "bentoml.xgboost"):
        return None
    found = foreign.fields.get("options", {}).get("model_class")  # its first releases knew boosters only
    return ForeignReading(renames={"saved_model.ubj": _FILE}, options={"model_class": found or "Booster"})

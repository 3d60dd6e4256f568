"""Tiffin's adapter for XGBoost: boosters and estimators, in XGBoost's own format. Loading runs no code of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from tiffin import AdapterInfo, ModelOptions, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, Saved

_FILE = "model.ubj"


@attrs.frozen(kw_only=True)
class XGBoostOptions(ModelOptions):
    """Options of the adapter.

    Attributes:
        model_class: the class of XGBoost's that the file becomes; "", given at save, stands for that of the model.
    """

    model_class: str = ""


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores boosters, and the estimators that are XGBoost's own."""
    return AdapterInfo(
        types=["xgboost.Booster", "xgboost.XGBModel"],
        distributions=[["xgboost", "xgboost-cpu"]],
        signatures={"predict": {"batchable": True}},
        options=XGBoostOptions,
        code_files=(),
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path, options: XGBoostOptions) -> Saved:
    """Write the trees by XGBoost, and an estimator's parameters beside them."""
    from . import _estimators

    name = _estimators.class_name(model)
    lost = [] if name == "Booster" else _estimators.write_parameters(model, path)
    model.save_model(path / _FILE)
    return Saved(options=options.with_options(model_class=options.model_class or name), lost=lost)


@hookimpl
def load(path: Path, options: XGBoostOptions) -> Any:
    """Read the trees into an object of the class that the options name."""
    from . import _estimators

    model = _estimators.make(options.model_class or "Booster")
    model.load_model(path / _FILE)
    if options.model_class != "Booster":
        _estimators.read_parameters(model, path)
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

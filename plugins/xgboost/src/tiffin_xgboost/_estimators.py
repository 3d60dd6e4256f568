"""Estimators: which classes there are, and the parameters that XGBoost's own file does not keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiffin.exceptions import MetadataError, SignatureError
from tiffin.info import plain, read_json
from tiffin.plugins import NotMine

CLASSES = ("Booster", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
"""XGBoost's own classes. A record may name no other: it comes from strangers, too."""
_FILE = "parameters.json"
_MAX_THREADS = 1024


def class_name(model: Any) -> str:
    """Return the name of the model's class.

    Raises:
        NotMine: it is no class of XGBoost's own, or is not fitted.
    """
    import xgboost

    name = type(model).__name__
    if name not in CLASSES or type(model) is not getattr(xgboost, name):
        raise NotMine(f"XGBoost's file would make a {name} into what it derives from")
    if name != "Booster" and not model.__sklearn_is_fitted__():
        raise NotMine("It is not fitted, and XGBoost writes only what is")
    return name


def make(name: str) -> Any:
    """Return an empty object of a class of XGBoost's.

    Raises:
        SignatureError: it has no such class.
    """
    import xgboost

    if name not in CLASSES:
        why = "XGBoost's are " + ", ".join(CLASSES)
        raise SignatureError(f"The option model_class={name!r} names no class of models", why=why, method="")
    return getattr(xgboost, name)()


def write_parameters(model: Any, path: Path) -> list[str]:
    """Write an estimator's parameters, as its class takes them; returns what is lost."""
    kept, lost = {}, []
    for name, value in model.get_params().items():
        try:
            kept[name] = plain(value, name)
        except MetadataError:
            lost.append(f"the parameter {name!r}, {value!r}, which is used when it is fitted")
    if getattr(model, "evals_result_", None):
        lost.append("evals_result_, the history of its fit")
    (path / _FILE).write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return lost


def read_parameters(model: Any, path: Path) -> None:
    """Give an estimator its parameters back; those of its class, and no other attribute."""
    if not (path / _FILE).exists():  # another tool wrote the trees alone
        return
    known, given = model.get_params(), read_json(path / _FILE)
    threads = given.get("n_jobs")
    if threads is not None and (type(threads) is not int or threads > _MAX_THREADS):
        why = f"Compiled code ends the program where it cannot start them; up to {_MAX_THREADS} are taken"
        raise SignatureError(f"The model asks for {str(threads)[:40]} threads", why=why, method="")
    for name, value in given.items():
        if name in known:
            setattr(model, name, value)

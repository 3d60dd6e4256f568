"""Estimators: what LightGBM's file does not keep of them. It is that of a booster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from tiffin.exceptions import StoreError
from tiffin.plugins import NotMine

_FITTED = (
    "_n_features", "_n_features_in", "_n_classes", "_objective", "_best_iteration", "_best_score", "_evals_result",
    "_fitted_with_feature_names", "fitted_",
)  # fmt: skip
"""What a fit sets besides the booster and the encoder of classes."""

_MOST = 64 << 20
"""Bytes that the names of classes may take."""


def parts(model: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a model's booster, its parameters, and what its fit has set.

    Raises:
        NotMine: it is not fitted, or answers by a function of one's own.
    """
    if isinstance(model, lightgbm.Booster):
        return model, model.params, {"best_iteration": model.best_iteration, "best_score": model.best_score}
    if not model.__sklearn_is_fitted__():
        raise NotMine("It is not fitted, and LightGBM writes only what is")
    fitted = {name: getattr(model, name) for name in _FITTED if hasattr(model, name)}
    if isinstance(model, lightgbm.LGBMClassifier):
        if callable(fitted["_objective"]):
            raise NotMine("Its objective is a function, by which a classifier answers, and LightGBM's file keeps none")
        fitted |= {"classes": model.classes_.tolist(), "dtype": model.classes_.dtype.name}
    return model.booster_, model.get_params(), fitted | parts(model.booster_)[2]


def make(cls: Any, file: Path, parameters: dict[str, Any], fitted: dict[str, Any]) -> Any:
    """Return an object of a class of LightGBM's, with the trees of a file."""
    booster = lightgbm.Booster(model_file=file)
    booster.best_iteration = fitted.get("best_iteration", -1)
    booster.best_score = fitted.get("best_score", {})
    if cls is lightgbm.Booster:
        booster.params = parameters or booster.params
        return booster
    model = cls(**parameters)
    model._Booster = booster
    vars(model).update((name, fitted[name]) for name in _FITTED if name in fitted)
    if "classes" in fitted:
        from sklearn.preprocessing import LabelEncoder

        widths = [len(known) for known in fitted["classes"] if type(known) is str]
        if (
            4 * len(fitted["classes"]) * max(widths, default=0) > _MOST
        ):  # numpy gives all texts the width of the longest
            raise StoreError("The model's classes are texts of very different lengths", path=str(file))
        # A dtype of another name, as those of texts, is that of the values.
        model._le = LabelEncoder().fit(np.array(fitted["classes"], np.sctypeDict.get(fitted["dtype"])))
        model._classes = model._le.classes_
    return model

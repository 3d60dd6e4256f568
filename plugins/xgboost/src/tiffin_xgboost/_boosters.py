"""Boosters take XGBoost's own matrices, and callers have arrays."""

from __future__ import annotations

from typing import Any

import xgboost


class Arrays:
    """A booster whose `predict` takes arrays and tables, too. All else is the booster's."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def __getattr__(self, name: str) -> Any:
        if name == "booster":  # of an object that is being made from a pickle
            raise AttributeError(name)
        return getattr(self.booster, name)

    def predict(self, data: Any, **options: Any) -> Any:
        """Predict from a matrix, an array or a table; the names of features count where the data has any.

        Args:
            data: shape (rows, features).
            options: as XGBoost's own takes them.
        """
        if not isinstance(data, xgboost.DMatrix):
            options.setdefault("validate_features", hasattr(data, "columns"))
            data = xgboost.DMatrix(data, enable_categorical=True)
        return self.booster.predict(data, **options)

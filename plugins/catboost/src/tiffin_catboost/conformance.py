"""What the conformance kit checks this adapter with: `tiffin plugins check catboost`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a model of each class, fitted."""
    import catboost
    import numpy

    rows = numpy.random.default_rng(15).normal(size=(60, 4))
    classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    settings: dict[str, Any] = {"iterations": 4, "thread_count": 1, "verbose": False, "allow_writing_files": False}

    def fitted(name: str) -> Any:
        made = catboost.CatBoost(settings) if name == "CatBoost" else getattr(catboost, name)(**settings)
        return made.fit(rows, classes, group_id=[0] * 60) if name == "CatBoostRanker" else made.fit(rows, classes)

    return [
        Subject(
            framework="catboost",
            name=name,
            make=lambda name=name: fitted(name),  # type: ignore[misc]
            parameters=lambda model: model.get_params(),
            inputs={"predict": rows[:5], **({"predict_proba": rows[:5]} if name == "CatBoostClassifier" else {})},
        )
        for name in ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
    ]

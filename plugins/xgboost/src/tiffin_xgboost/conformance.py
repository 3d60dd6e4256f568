"""What the conformance kit checks this adapter with: `tiffin plugins check xgboost`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a model of each class, fitted."""
    import numpy
    import xgboost

    rows = numpy.random.default_rng(15).normal(size=(60, 4))
    classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)

    def fitted(name: str) -> Any:
        if name == "Booster":
            return xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(rows, classes), 4)
        made = getattr(xgboost, name)(n_estimators=4, n_jobs=1)
        return made.fit(rows, classes, qid=[0] * 60) if name == "XGBRanker" else made.fit(rows, classes)

    names = ("Booster", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
    return [
        Subject(
            framework="xgboost",
            name=name,
            make=lambda name=name: fitted(name),  # type: ignore[misc]
            parameters=None if name == "Booster" else lambda model: model.get_params(),
            inputs={
                "predict": rows[:5],
                **({"predict_proba": rows[:5]} if name.endswith("Classifier") else {}),
            },
            partial_kwargs={"predict": {"output_margin": True}},
        )
        for name in names
    ]

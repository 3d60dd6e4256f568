"""What the conformance kit checks this adapter with: `tiffin plugins check lightgbm`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a model of each class, fitted."""
    import lightgbm
    import numpy

    rows = numpy.random.default_rng(15).normal(size=(60, 4))
    classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)

    def fitted(name: str) -> Any:
        settings = {"num_threads": 1, "verbose": -1}
        if name == "Booster":
            return lightgbm.train({"objective": "binary", **settings}, lightgbm.Dataset(rows, classes), 4)
        objective = {"objective": "regression"} if name == "LGBMModel" else {}
        made = getattr(lightgbm, name)(n_estimators=4, n_jobs=1, verbose=-1, **objective)
        return made.fit(rows, classes, group=[60]) if name == "LGBMRanker" else made.fit(rows, classes)

    return [
        Subject(
            framework="lightgbm",
            name=name,
            make=lambda name=name: fitted(name),  # type: ignore[misc]
            parameters=lambda model: model.params if hasattr(model, "params") else model.get_params(),
            inputs={"predict": rows[:5], **({"predict_proba": rows[:5]} if name == "LGBMClassifier" else {})},
        )
        for name in ("Booster", "LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
    ]

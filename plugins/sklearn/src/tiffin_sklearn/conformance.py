"""What the conformance kit checks this adapter with: `tiffin plugins check sklearn`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a classifier, a pipeline and a forest, each fitted."""
    import numpy

    rows = numpy.random.default_rng(14).normal(size=(60, 4))
    classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)

    def fitted(kind: str) -> Any:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        made = {
            "classifier": LogisticRegression,
            "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
            "forest": lambda: RandomForestRegressor(n_estimators=5, random_state=14),
        }
        return made[kind]().fit(rows, classes)

    predict, probability = {"predict": rows[:5]}, {"predict": rows[:5], "predict_proba": rows[:5]}
    inputs = {"classifier": probability, "pipeline": probability, "forest": predict}
    return [
        Subject(framework="sklearn", name=kind, make=lambda kind=kind: fitted(kind), inputs=asked)  # type: ignore[misc]
        for kind, asked in inputs.items()
    ]

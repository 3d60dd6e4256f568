"""What the conformance kit checks this adapter with: `tiffin plugins check sklearn`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def parameters(model: Any) -> dict[str, Any]:
    """Return what an estimator was made with; an estimator among it by what it says of itself."""
    return {
        name: repr(value) if hasattr(value, "get_params") or isinstance(value, list) else value
        for name, value in model.get_params().items()
    }


def subjects() -> list[Subject]:
    """Return a classifier, a pipeline and a forest, each fitted, and a pipeline that is not."""
    import numpy

    rows = numpy.random.default_rng(14).normal(size=(60, 4))
    classes = (rows[:, 0] + rows[:, 1] > 0).astype(int)

    def make(kind: str) -> Any:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if kind == "classifier":
            return LogisticRegression(C=0.5).fit(rows, classes)
        if kind == "forest":
            return RandomForestRegressor(n_estimators=5, random_state=14).fit(rows, classes)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
        return pipeline if kind == "unfitted" else pipeline.fit(rows, classes)

    predict, probability = {"predict": rows[:5]}, {"predict": rows[:5], "predict_proba": rows[:5]}
    inputs = {"classifier": probability, "pipeline": probability, "forest": predict, "unfitted": probability}
    return [
        Subject(
            framework="sklearn",
            name=kind,
            make=lambda kind=kind: make(kind),  # type: ignore[misc]
            inputs=asked,
            parameters=parameters,
            refuses=kind == "unfitted",
        )
        for kind, asked in inputs.items()
    ]

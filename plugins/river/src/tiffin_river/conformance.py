"""What the conformance kit checks this adapter with: `tiffin plugins check river`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a pipeline that has learned two classes, and a tree that has learned nothing."""
    from river import tree

    row = {"a": 1.0, "b": 2.0}
    return [
        Subject(
            framework="river",
            name="pipeline",
            make=learned,
            inputs={"predict_one": row, "predict_proba_one": row},
            parameters=lambda model: str(model),
        ),
        Subject(
            framework="river",
            name="new",
            make=tree.HoeffdingTreeRegressor,
            inputs={"predict_one": row},
            parameters=lambda model: str(model),
        ),
    ]


def learned() -> Any:
    """Return a pipeline that has seen some rows."""
    from river import linear_model, preprocessing

    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    for number in range(60):
        model.learn_one({"a": float(number % 7), "b": float(number % 3)}, number % 7 > 3)
    return model

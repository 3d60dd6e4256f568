"""Estimators that BentoML and MLflow saved: which of their files is the model, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import ForeignModelError
from tiffin.plugins import ForeignModel, ForeignReading

JOBLIB = "model.joblib"
SKOPS = "model.skops"
_PICKLE = "model.pkl"
_FILES = {"skops": SKOPS, "pickle": _PICKLE, "cloudpickle": _PICKLE}
"""MLflow's formats, and the file that `load` reads. Its ending says by what, so nothing that a record says can choose."""


def read(foreign: ForeignModel) -> ForeignReading | None:
    """Return how the adapter reads a model of another tool's; `None` for what is no estimator."""
    if (foreign.tool, foreign.kind) == ("bentoml", "bentoml.sklearn"):
        return ForeignReading(renames=_renames("saved_model.pkl", JOBLIB, foreign.files))
    if (foreign.tool, foreign.kind) != ("mlflow", "sklearn"):
        return None
    kind = foreign.fields.get(
        "serialization_format", "pickle"
    )  # MLflow's first releases knew no other, and said nothing
    source = foreign.fields.get("pickled_model")
    if not isinstance(kind, str) or kind not in _FILES or not isinstance(source, str):
        raise ForeignModelError(
            f"An estimator that MLflow wrote as {kind!r} into {source!r} cannot be read",
            why="Known formats are " + ", ".join(_FILES),
            fix="Import the bare files: as_files=True (--as-files)",
            path="", member=str(source), tool=foreign.tool, kinds=(foreign.kind,),
        )  # fmt: skip
    version = foreign.fields.get("sklearn_version")
    return ForeignReading(
        renames=_renames(source, _FILES[kind], foreign.files),
        versions={"scikit-learn": version} if isinstance(version, str) else {},
    )


def _renames(source: str, target: str, files: Mapping[str, Any]) -> dict[str, str]:
    # Another file that `load` would take for the model goes out of its way.
    others = {name: f"others/{name}" for name in (JOBLIB, SKOPS, _PICKLE) if name in files and name != source}
    return {**others, source: target}

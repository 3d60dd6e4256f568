"""Objects that BentoML and MLflow pickled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import ForeignModelError
from tiffin.plugins import ForeignModel, ForeignReading

from . import _mlflow

_OWN = "model.pkl"


def read(foreign: ForeignModel) -> ForeignReading | None:
    """Return how the adapter reads a model of another tool's; `None` for what it does not."""
    if (foreign.tool, foreign.kind) == ("bentoml", "bentoml.picklable_model"):
        return ForeignReading(renames=_renames("saved_model.pkl", _OWN, foreign.files))
    if (foreign.tool, foreign.kind) != ("mlflow", "python_function"):
        return None
    loader = foreign.fields.get("loader_module")
    if loader == "mlflow.pyfunc.loaders.code_model" or foreign.fields.get("model_code_path"):
        raise _error("It is a script that makes the model, and not the model", foreign)
    source = foreign.fields.get("python_model")
    if loader != "mlflow.pyfunc.model" or not isinstance(source, str):
        return None  # of a framework, whose own flavor says more, or of a loader that only MLflow has
    if foreign.fields.get("python_model_compression"):
        raise _error("It is compressed, so what it would run cannot be told", foreign)
    version = foreign.fields.get("cloudpickle_version")
    return ForeignReading(
        renames=_renames(source, _mlflow.FILE, foreign.files),
        versions={"cloudpickle": version} if isinstance(version, str) else {},
    )


def _renames(source: str, target: str, files: Mapping[str, Any]) -> dict[str, str]:
    # Another file that `load` would take for the model goes out of its way.
    others = {name: f"others/{name}" for name in (_OWN, _mlflow.FILE) if name in files and name != source}
    return {**others, source: target}


def _error(why: str, foreign: ForeignModel) -> ForeignModelError:
    return ForeignModelError(
        "This custom Python model of MLflow's cannot be read",
        why=why,
        fix="Load it with MLflow and save it here, or import the bare files: as_files=True (--as-files)",
        path="", member="", tool=foreign.tool, kinds=(foreign.kind,),
    )  # fmt: skip

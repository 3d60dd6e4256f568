"""Tiffin's adapter for scikit-learn estimators and pipelines.

Stored as a pickle with their arrays beside it. Loading runs code that is stored in the file. Files that BentoML (joblib) and
MLflow (pickle, cloudpickle, skops) wrote are read as they are, once imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.plugins import ForeignModel, ForeignReading

from . import _foreign, _skops

_CLASSES = Path(__file__).with_name("classes.txt")


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores what derives from scikit-learn's estimator class."""
    return AdapterInfo(
        types=["sklearn.base.BaseEstimator"],
        distributions=["scikit-learn"],
        signatures=default_signatures,
        code_files=(*pickling.CODE_FILES, "*.joblib", "*.skops"),
        code_readers={"*.pkl": "pickle", "*.joblib": "joblib", "*.skops": _skops.inspect},
        classes=_CLASSES,
        functions=Path(__file__).with_name("functions.txt"),
        makers=makers,
        checks=checks,
        resources=["cpu"],
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Pickle the estimator."""
    pickling.dump(model, path)


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Read the estimator, each file by the one reader that its name stands for. Runs code in it only where it is trusted."""
    if not trusted:
        return read(next((name for name in (_foreign.JOBLIB, _foreign.SKOPS) if (path / name).exists()), "model.pkl"))
    if (path / _foreign.JOBLIB).exists():
        import joblib

        return joblib.load(path / _foreign.JOBLIB)
    if (path / _foreign.SKOPS).exists():
        return _skops.load(path / _foreign.SKOPS)
    return pickling.load(path)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take estimators that BentoML's module and MLflow's flavor wrote."""
    return _foreign.read(foreign)


def makers() -> dict[str, Any]:
    """Return what core builds by this adapter's functions; asked for only when a stranger's model is looked at."""
    from . import _makers

    return _makers.makers()


def checks() -> dict[str, Any]:
    """Return what is checked of what core built."""
    from . import _checks

    lines = _CLASSES.read_text(encoding="utf-8").splitlines()
    return _checks.checks(line for line in lines if line[:1] not in ("", "#"))


def default_signatures(model: Any) -> dict[str, dict[str, bool]]:
    """Return the signature of `predict`, or of `transform` where the estimator does not predict.

    It is batchable when every estimator inside is scikit-learn's own and answers each row by itself. An estimator or a
    function of somebody else's, wherever it stands inside (as a kernel, a tokenizer), might look at the whole batch.
    """
    for method in ("predict", "transform"):
        if callable(getattr(model, method, None)):
            return {method: {"batchable": _works_by_row(model)}}
    return {}


def _works_by_row(model: Any) -> bool:
    from sklearn.preprocessing import FunctionTransformer

    parameters = model.get_params(deep=True)
    # Scorers have their part in fitting only.
    parts = [
        model,
        *(part for name, part in parameters.items() if name.rpartition("__")[2] not in ("scoring", "refit")),
    ]
    return all(_is_standard(part) and not isinstance(part, FunctionTransformer) for part in parts)


def _is_standard(part: Any) -> bool:
    from sklearn.base import BaseEstimator

    if not (isinstance(part, BaseEstimator) or callable(part)):
        return True
    kind = part if hasattr(part, "__qualname__") else type(part)
    return str(kind.__module__).startswith("sklearn.")

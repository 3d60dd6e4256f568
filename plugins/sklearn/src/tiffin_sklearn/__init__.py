"""Tiffin's adapter for scikit-learn estimators and pipelines.

Stored as a pickle with their arrays beside it. Loading runs code that is stored in the file. Files that BentoML (joblib) and
MLflow (pickle, cloudpickle, skops) wrote are read as they are, once imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.plugins import ForeignModel, ForeignReading

from . import _fitted, _foreign, skops_files
from ._by_row import default_signatures as default_signatures

_CLASSES = Path(__file__).with_name("classes.txt")


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores what derives from scikit-learn's estimator class."""
    return AdapterInfo(
        types=["sklearn.base.BaseEstimator"],
        distributions=["scikit-learn"],
        signatures=default_signatures,
        code_files=(*pickling.CODE_FILES, "*.joblib", "*.skops"),
        code_readers={"*.pkl": "pickle", "*.joblib": "joblib", "*.skops": skops_files.inspect},
        classes=_CLASSES,
        functions=Path(__file__).with_name("functions.txt"),
        makers=makers,
        checks=checks,
        resources=["cpu"],
        cpu_multi_threading=True,
        holds_gil=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Pickle the estimator; warns of one that is not fitted."""
    _fitted.warn_if_unfitted(model)
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
        return skops_files.load(path / _foreign.SKOPS)
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

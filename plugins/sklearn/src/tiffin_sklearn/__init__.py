"""Tiffin's adapter for scikit-learn estimators and pipelines.

Stored as a pickle with their arrays beside it. Loading runs code that is stored in the file. Files that BentoML (joblib) and
MLflow (pickle, cloudpickle, skops) wrote are read as they are, once imported.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling
from tiffin.exceptions import UnfittedModelWarning
from tiffin.plugins import ForeignModel, ForeignReading

from . import _foreign, _skops


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores what derives from scikit-learn's estimator class."""
    return AdapterInfo(
        types=["sklearn.base.BaseEstimator"],
        distributions=["scikit-learn"],
        signatures=default_signatures,
        code_files=(*pickling.CODE_FILES, "*.joblib", "*.skops"),
        code_readers={"*.pkl": "pickle", "*.joblib": "joblib", "*.skops": _skops.inspect},
        allowed_globals=Path(__file__).with_name("allowed_globals.txt"),
        resources=["cpu"],
        cpu_multi_threading=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Pickle the estimator; warns of one that is not fitted."""
    _warn_if_unfitted(model)
    pickling.dump(model, path)


@hookimpl
def load(path: Path) -> Any:
    """Read the estimator, each file by the one reader that its name stands for. Runs code that is stored in it."""
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


def _warn_if_unfitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except TypeError:  # it, or a part of it, cannot be fitted at all
        return
    except NotFittedError as error:
        warnings.warn(
            f"The estimator {type(model).__name__} is saved unfitted: {error}", UnfittedModelWarning, stacklevel=2
        )


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

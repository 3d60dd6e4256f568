"""Tiffin's adapter for scikit-learn estimators as skops' files, where it is asked for by name: framework="skops"."""

from pathlib import Path
from typing import Any

from tiffin import hookimpl
from tiffin_sklearn import default_signatures, skops_files


@hookimpl
def context_info() -> dict[str, Any]:
    """Describe the adapter: it stores estimators, which another adapter claims."""
    return {
        "types_by_name": ["sklearn.base.BaseEstimator"],
        "distributions": ["skops", "scikit-learn"],
        "signatures": default_signatures,
        "code_files": ["*.skops"],
        "code_readers": {"*.skops": skops_files.inspect},
        "cpu_multi_threading": True,
        "holds_gil": True,
    }


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write the estimator by skops."""
    from skops.io import dump

    dump(model, path / "model.skops")


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Read it by skops; where it is not trusted, core builds it."""
    return skops_files.load(path / "model.skops") if trusted else read("model.skops")

"""Tiffin's adapter for any Python object, stored by Tiffin's pickles, which build on cloudpickle.

Functions and classes of `__main__`, lambdas and closures are stored by value; all else that is importable by reference.
Loading runs code that is stored in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin import AdapterInfo, hookimpl, pickling

from . import _mlflow

if TYPE_CHECKING:
    from tiffin.plugins import ForeignModel, ForeignReading


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores any object, and comes last, since every class derives from `object`."""
    return AdapterInfo(
        types=["builtins.object"],
        distributions=["cloudpickle"],
        signatures=default_signatures,
        code_files=pickling.CODE_FILES,
        resources=["cpu"],
        cpu_multi_threading=False,
        holds_gil=True,  # what it stores is Python code
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Pickle the object."""
    pickling.dump(model, path)


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Unpickle the object; a custom Python model of MLflow's gets its context, too. One that is not trusted is built."""
    if not trusted:
        return read("model.pkl")
    return _mlflow.load(path) if (path / _mlflow.FILE).exists() else pickling.load(path)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take objects that BentoML's picklable_model wrote, and MLflow's custom Python models."""
    from . import _foreign  # not at the top: a load does without it

    return _foreign.read(foreign)


def default_signatures(model: Any) -> dict[str, dict[str, bool]]:
    """Return the signature of `__call__`, none for what cannot be called: data is as welcome as functions."""
    return {"__call__": {"batchable": False}} if callable(model) else {}

"""Tiffin's adapter for River: models that learn from streams, which River itself can write only as a pickle.

Loading runs code that is stored in the file; a stranger's needs trust.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl, pickling


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores whatever derives from River's own base class."""
    return AdapterInfo(
        types=["river.base.Base"],
        distributions=["river"],
        signatures=default_signatures,
        code_files=pickling.CODE_FILES,
        holds_gil=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Pickle the model as it is by now; what it learns later is not stored."""
    pickling.dump(model, path)


@hookimpl
def load(path: Path, trusted: bool, read: Any) -> Any:
    """Unpickle the model."""
    return pickling.load(path) if trusted else read("model.pkl")


def default_signatures(model: Any) -> dict[str, dict[str, bool]]:
    """Return the signatures of what answers for one row, a dict. Calls do not merge; `learn_one` is none of them."""
    from river import base, compose

    last = list(model.steps.values())[-1] if isinstance(model, compose.Pipeline) else model
    if isinstance(last, base.Classifier):
        names = ["predict_one", "predict_proba_one"]
    else:
        names = [name for name in ("score_one", "transform_one", "predict_one") if hasattr(last, name)][:1]
    return {name: {"batchable": False} for name in names}

"""Tiffin's adapter for Prophet: fitted models as Prophet's own JSON. Loading runs no code of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.exceptions import StoreError
from tiffin.plugins import ForeignModel, ForeignReading, NotMine, OwnClasses, Saved

_CLASSES = OwnClasses("prophet", ("Prophet",))
_FILE = "model.json"
_MOST = 64 << 20
"""Bytes of a file: a million days of history, which parsed take thirty times as much."""


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores fitted models."""
    return AdapterInfo(
        types=["prophet.Prophet"],
        distributions=["prophet"],
        signatures={
            "predict": {"batchable": False}
        },  # it sorts its rows by time, so those of several callers would mix
        code_files=(),
    )


@hookimpl
def save(model: Any, path: Path) -> Saved:
    """Write the model as Prophet does."""
    from prophet.serialize import model_to_json

    _CLASSES.name_of(model)
    if model.history is None:
        raise NotMine("It is not fitted, and Prophet writes only what is")
    (path / _FILE).write_text(model_to_json(model), encoding="utf-8")
    _read(path / _FILE)  # with the bounds of a load
    lost = ["what Stan says of the fit (stan_fit), which no forecast needs"] if model.stan_fit is not None else []
    return Saved(lost=lost)


@hookimpl
def load(path: Path) -> Any:
    """Read the model as Prophet does."""
    from prophet.serialize import model_from_dict

    found = _read(path / _FILE)
    try:
        return model_from_dict(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path / _FILE, error) from error


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what MLflow's flavor wrote, which is the same file."""
    source, version = foreign.fields.get("data"), foreign.fields.get("prophet_version")
    if (foreign.tool, foreign.kind) != ("mlflow", "prophet") or source not in foreign.files:
        return None
    return ForeignReading(renames={str(source): _FILE}, versions={"prophet": str(version)} if version else {})


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > _MOST:
            raise ValueError(f"it has more than {_MOST} bytes")
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> StoreError:
    return StoreError(
        f"Prophet cannot read '{file}': {error!r}",
        why=f"It is damaged, of another version of Prophet, or has more than {_MOST} bytes",
        fix="Compare the model's digests (tiffin models verify), or save it again",
        path=str(file),
    )

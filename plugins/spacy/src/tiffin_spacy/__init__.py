"""Tiffin's adapter for spaCy: pipelines in spaCy's own folders, which hold no pickle.

A folder's configuration names functions that spaCy calls, by the names that any installed package has registered, and may put
one together of several places. So a stranger's needs trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading

_FOLDER = "pipeline"


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores pipelines, and folders of such where it is asked for by name."""
    return AdapterInfo(
        types=["spacy.language.Language"],
        paths=True,
        distributions=["spacy"],
        signatures={"__call__": {"batchable": False}, "pipe": {"batchable": True}},
        options={"exclude": ""},
        code_files=[f"{_FOLDER}/config.cfg"],
        code_readers={},
        holds_gil=True,
    )


@hookimpl
def save(model: Any, path: Path) -> None:
    """Write the pipeline as spaCy does; a folder is copied."""
    from . import _pipelines

    _pipelines.write(model, path / _FOLDER)


@hookimpl
def load(path: Path, options: Mapping[str, Any]) -> Any:
    """Read the pipeline."""
    from . import _pipelines

    return _pipelines.read(path / _FOLDER, options["exclude"])


@hookimpl
def prepare(obj: Any) -> Any:
    """Return what answers with plain values: a document belongs to its pipeline, and crosses to no other process."""
    from ._running import Running

    return Running(obj)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what MLflow's flavor wrote, which is the same folder."""
    folder, version = foreign.fields.get("data"), foreign.fields.get("spacy_version")
    if (foreign.tool, foreign.kind) != ("mlflow", "spacy") or not isinstance(folder, str):
        return None
    files = {name: name.removeprefix(f"{folder}/") for name in foreign.files if name.startswith(f"{folder}/")}
    return ForeignReading(
        renames={name: f"{_FOLDER}/{rest}" for name, rest in files.items()},
        versions={"spacy": version} if isinstance(version, str) else {},
    )

"""MLflow's record, the file MLmodel. The fields are those of MLflow 1 to 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from tiffin.plugins import ForeignDescription, ForeignModel, ForeignTool
from tiffin.tags import is_part
from tiffin_mlflow._schema import read_schema

_REGISTERED = "registered_model_meta"
"""A file that MLflow writes beside a model which it downloads from a registry: the name and version there."""
_LOGGED = "meta.yaml"
"""What MLflow 3 tracks of a model, beside the folder of its files."""
_GENERAL = "python_function"
"""The flavor that says how MLflow itself calls the model: less than the framework's own flavor, if there is one."""
_MAX_FLAVORS = 50
"""Flavors that adapters are asked about; models have two or three."""
_FACTS = ("run_id", "model_uuid", "model_id", "artifact_path", "saved_input_example_info", "model_size_bytes")
_KNOWN = frozenset({
    *_FACTS, "flavors", "signature", "metadata", "mlflow_version", "utc_time_created", "databricks_runtime",
    "is_signature_from_type_hint", "type_hint_from_example",
})  # fmt: skip


class MLflow(ForeignTool):
    """Known by a file MLmodel with flavors."""

    record = "MLmodel"
    notes = (_REGISTERED,)
    above = (_LOGGED,)

    def is_record(self, data: Any) -> bool:
        """Tell whether this is MLflow's record."""
        return isinstance(data, Mapping) and isinstance(data.get("flavors"), Mapping) and bool(data["flavors"])

    def describe(
        self, data: Mapping[str, Any], files: Mapping[str, int], notes: Mapping[str, Any]
    ) -> ForeignDescription:
        """Return the description of a model of MLflow's: each flavor is one for the adapters.

        Args:
            data: its record.
            files: path → bytes, of all files.
            notes: the registry's note of its name and version, if it is there.
        """
        described = ForeignDescription(tool="MLflow", kind_field="flavor")
        text_of = described.text_of
        described.tool_version = text_of(data.get("mlflow_version"))
        registered = notes.get(_REGISTERED)
        if isinstance(registered, Mapping):
            described.name = str(registered.get("model_name") or "")
            described.version = str(registered.get("model_version") or "") if described.name else ""
        flavors = described.keep_mapping(data["flavors"], "flavors")
        general = flavors.get(_GENERAL)
        general = general if isinstance(general, Mapping) else {}
        described.python_version = text_of(general.get("python_version"))
        described.metadata = described.keep_mapping(data.get("metadata"), "metadata")
        for name in _FACTS:
            if data.get(name) is not None:
                described.facts[name] = described.keep(data[name], name)
        if data.get("utc_time_created") is not None:
            described.keep_time(data["utc_time_created"])
        if general:
            specs = read_schema(data.get("signature"), described)
            described.keep_signature(text_of(general.get("predict_fn")) or "predict", {"batchable": False, **specs})
        _keep_flavors(described, flavors, files)
        described.lost += [
            f"the field {name!r}, which stays in the file {self.record}"
            for name, value in data.items()
            if name not in _KNOWN and value
        ]
        return described

    def tag_at(self, path: PurePosixPath, above: Mapping[str, Any]) -> str:
        """Return name and id of what was logged as a model, else its path among a run's artifacts and the run's id.

        Args:
            path: the model's folder.
            above: what is tracked of it.
        """
        logged = above.get(_LOGGED)
        if isinstance(logged, Mapping) and logged.get("name") and logged.get("model_id"):
            name, version = str(logged["name"]), str(logged["model_id"])
        elif "artifacts" in path.parts[1:-1]:
            index = len(path.parts) - 1 - path.parts[::-1].index("artifacts")
            name, version = "-".join(path.parts[index + 1 :]), path.parts[index - 1]
        else:
            name, version = path.name, ""
        parts = [re.sub(r"[^a-z0-9._-]+", "-", part.lower()).strip("-._") for part in (name, version)]
        return ":".join(filter(None, parts)) if is_part(parts[0]) else ""


def _keep_flavors(described: ForeignDescription, flavors: Mapping[str, Any], files: Mapping[str, int]) -> None:
    for name, fields in sorted(flavors.items(), key=lambda item: item[0] == _GENERAL)[-_MAX_FLAVORS:]:
        if isinstance(fields, Mapping):
            described.models.append(ForeignModel(tool="mlflow", kind=name, fields=fields, files=files))
        else:
            described.lost.append(f"the flavor {name!r}, which has no fields")
    if any(isinstance(fields, Mapping) and fields.get("code") for fields in flavors.values()):
        described.lost.append(
            "code on the import path: its files are kept, install them as a package or add them to it"
        )

"""BentoML's record, model.yaml, and its pickle of custom objects. The fields are those of BentoML 1.0 to 1.4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tiffin.plugins import ForeignDescription, ForeignModel, ForeignTool
from tiffin.tags import is_part

KEPT_RECORD = "bentoml.yaml"
"""What BentoML's record is called beside Tiffin's own."""
_OBJECTS = "custom_objects.pkl"
_KNOWN = frozenset({
    "name", "version", "module", "labels", "options", "metadata", "context", "signatures", "api_version", "creation_time",
    "bentoml_version",
})  # fmt: skip


class BentoML(ForeignTool):
    """Known by a record that names a module, as Tiffin's never does."""

    record = "model.yaml"

    def is_record(self, data: Any) -> bool:
        """Tell whether this is BentoML's record."""
        return isinstance(data, Mapping) and "module" in data and "framework" not in data

    def describe(
        self, data: Mapping[str, Any], files: Mapping[str, int], notes: Mapping[str, Any]
    ) -> ForeignDescription:
        """Return the description of a model of BentoML's; one without a module is a plain folder of files.

        Args:
            data: its record.
            files: path → bytes, of all files.
            notes: none.
        """
        files = {path: size for path, size in files.items() if path != self.record}
        described = ForeignDescription(tool="BentoML", kind_field="module")
        described.name, described.version = _tag_part(data.get("name")), _tag_part(data.get("version"))
        _keep_context(described, data)
        described.keep_labels(data.get("labels"))
        described.metadata = described.keep_mapping(data.get("metadata"), "metadata")
        if data.get("creation_time") is not None:
            described.keep_time(data["creation_time"])
        for method, fields in _items(data.get("signatures"), "signatures", described):
            described.keep_signature(method, fields if isinstance(fields, Mapping) else {"signature": fields})
        described.renames[self.record] = KEPT_RECORD
        described.options = options = described.keep_mapping(data.get("options"), "options")
        described.partial_kwargs = {
            method: values
            for method, values in _items(options.pop("partial_kwargs", None), "partial_kwargs", described)
            if values
        }
        if _OBJECTS in files:
            described.objects = _OBJECTS
        described.lost += [f"the field {name!r} of model.yaml" for name in data if name not in _KNOWN]
        module = described.facts["module"]
        if module:
            fields = {"options": options, "api_version": described.facts["api_version"]}
            described.models = [ForeignModel(tool="bentoml", kind=module, fields=fields, files=files)]
        return described


def _keep_context(described: ForeignDescription, data: Mapping[str, Any]) -> None:
    text_of = described.text_of
    context = described.keep_mapping(data.get("context"), "context")
    described.tool_version = text_of(context.get("bentoml_version") or data.get("bentoml_version"))
    described.python_version = text_of(context.get("python_version"))
    versions = _items(context.get("framework_versions"), "framework_versions", described)
    described.versions = {name: text_of(version) for name, version in versions}
    described.facts = {
        "module": text_of(data.get("module")),
        "context": context,
        "api_version": text_of(data.get("api_version")),
    }


def _items(value: Any, where: str, described: ForeignDescription) -> list[tuple[str, Any]]:
    if value is None or isinstance(value, Mapping):
        return [(str(key), item) for key, item in (value or {}).items()]
    described.lost.append(f"{where}, which is not a mapping")
    return []


def _tag_part(value: Any) -> str:
    # BentoML itself takes capital letters for small ones. What breaks another rule is left for the error to show.
    text = value if isinstance(value, str) else "" if value is None else str(value)
    lower = text.lower()
    return lower if is_part(lower) and re.fullmatch(r"[\w.-]+", text, re.ASCII) else text

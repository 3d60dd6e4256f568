"""A foreign model as its record describes it, in Tiffin's terms; and values that a record of Tiffin's can hold."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from tiffin.exceptions import LabelError, SignatureError
from tiffin.info import check_labels
from tiffin.plugins._foreign_model import ForeignModel
from tiffin.signatures import ModelSignature, normalise_signatures, plain_spec

_MAX_DEPTH = 32
_MAX_BITS = 8192
_MAX_TEXT = 255


@attrs.define(kw_only=True)
class ForeignDescription:
    """A foreign model, as far as its record tells.

    Attributes:
        tool: its name, as it is written; in lower case it is the field of the metadata that has the facts.
        tool_version: its version; empty where the record does not say.
        models: descriptions for the adapters, the one to prefer first; none for a plain folder of files.
        name: the model's name; empty where it has none.
        version: its version; empty where it has none.
        labels, metadata, signatures: as Tiffin keeps them.
        partial_kwargs: method → keyword arguments.
        options: the tool's other options, by name.
        created: when it was made.
        python_version: the Python that wrote it.
        versions: distribution → version.
        facts: what else the record says; kept in the metadata under the tool's name.
        kind_field: what the tool calls the kind of model that an adapter reads; it stands among the facts under this name.
        renames: path → new path, of what Tiffin itself reads.
        objects: the path of the pickle that holds the custom objects; empty where there are none.
        lost: what is not kept, as phrases.
    """

    MAX_LOST: ClassVar = 100
    """Phrases of loss that are kept; a record may hold a million values that cannot be."""

    tool: str
    tool_version: str = ""
    models: list[ForeignModel] = attrs.field(factory=list)
    name: str = ""
    version: str = ""
    labels: dict[str, str] = attrs.field(factory=dict)
    metadata: dict[str, Any] = attrs.field(factory=dict)
    signatures: dict[str, ModelSignature] = attrs.field(factory=dict)
    partial_kwargs: dict[str, Any] = attrs.field(factory=dict)
    options: dict[str, Any] = attrs.field(factory=dict)
    created: datetime.datetime | None = None
    python_version: str = ""
    versions: dict[str, str] = attrs.field(factory=dict)
    facts: dict[str, Any] = attrs.field(factory=dict)
    kind_field: str = "kind"
    renames: dict[str, str] = attrs.field(factory=dict)
    objects: str = ""
    lost: list[str] = attrs.field(factory=list)

    @staticmethod
    def text_of(value: Any) -> str:
        """Return a value that should be a short text, empty where it is none."""
        return value if isinstance(value, str) and _is_text(value) and len(value) <= _MAX_TEXT else ""

    def keep(self, value: Any, where: str) -> Any:
        """Return a value as a record of Tiffin's can hold it; what it cannot hold is noted, and left out, or `None`.

        Args:
            value: anything that YAML can say.
            where: what it is, for the note.
        """
        return self._keep(value, where, 0)

    def keep_mapping(self, value: Any, where: str) -> dict[str, Any]:
        """Return a mapping of plain values; one that is none is empty, and noted."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.lost.append(f"{where}, which is not a mapping")
            return {}
        kept: dict[str, Any] = self._keep(value, where, 0)
        return kept

    def _keep(self, value: Any, where: str, depth: int) -> Any:
        if value is None or isinstance(value, (bool, float, datetime.date)):
            return value
        if isinstance(value, int):
            return value if value.bit_length() <= _MAX_BITS else self._lose(where, "a number of too many digits")
        if isinstance(value, str):
            return value if _is_text(value) else self._lose(where, "text that is not valid")
        if depth > _MAX_DEPTH:
            return self._lose(where, "nested too deeply")
        if isinstance(value, Mapping):
            kept = {}
            for key, item in value.items():
                if not isinstance(key, str):
                    self.lost.append(f"in {where}: the key {key!r} is the text {str(key)!r} now")
                elif not _is_text(key):
                    self._lose(where, "a key that is not valid text")
                    continue
                value = self._keep(item, f"{where}.{key}", depth + 1)
                if value is not None or item is None:
                    kept[str(key)] = value
            return kept
        if isinstance(value, (list, tuple)):
            return [self._keep(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
        return self._lose(where, f"{type(value).__name__}, which has no plain form")

    def _lose(self, where: str, why: str) -> None:
        if len(self.lost) < self.MAX_LOST:
            self.lost.append(f"{where}: {why}")

    def keep_labels(self, labels: Any) -> None:
        """Take labels; what Tiffin does not allow as one goes into the metadata."""
        for key, value in self.keep_mapping(labels, "labels").items():
            try:
                self.labels |= check_labels({key: value})
            except LabelError as error:
                self.facts.setdefault("labels", {})[key] = value
                self.lost.append(f"the label {key!r}, which is in the metadata now: {error.what}")

    def keep_signature(self, method: str, fields: Mapping[str, Any]) -> None:
        """Take the signature of a method; a spec that is none of Tiffin's, and a field that it does not know, is noted."""
        known: dict[str, Any] = {}
        for field, value in fields.items():
            if field in ("batchable", "batch_dim"):
                known[field] = value
            elif field in ("input_spec", "output_spec") and value is not None:
                try:
                    known[field] = plain_spec(value, where=field, method=method)
                except SignatureError as error:
                    self.lost.append(f"the {field} of {method!r}: {error.what}")
            elif value is not None:
                self.lost.append(f"the field {field!r} of the signature of {method!r}")
        try:
            self.signatures |= normalise_signatures({method: known})
        except SignatureError as error:
            self.lost.append(f"the signature of {method!r}: {error.what}")

    def keep_time(self, value: Any) -> None:
        """Take the time at which the model was made, a datetime or ISO 8601, in UTC where it does not say."""
        try:
            time = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(str(value))
            if time.tzinfo is None:
                time = time.replace(tzinfo=datetime.UTC)
            self.created = time.astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            self.lost.append(f"the time at which it was made: {value!r} is none")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

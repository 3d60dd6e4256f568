"""ModelInfo: the record of one stored version."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs

from tiffin.exceptions import RecordError, TiffinError
from tiffin.info._context import ModelContext
from tiffin.signatures import ModelSignature
from tiffin.tags import Tag, is_part

API_VERSION = "v1"
"""The version of the record's fields; readers refuse records of another major version."""


@attrs.frozen
class FileEntry:
    """One file of a stored version: size in bytes and sha256, 64 hexadecimal digits."""

    size: int
    sha256: str


@attrs.frozen
class ObjectEntry:
    """One custom object: the folder that holds it, the framework that saved it (empty: core's pickling), its options."""

    path: str
    framework: str = ""
    options: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ModelInfo:
    """The record of one stored version, as model.yaml holds it.

    Attributes:
        name: the model's name.
        version: the version.
        framework: the adapter that saved it and loads it; empty for a raw folder of files.
        labels: strings to search by; editable.
        metadata: plain values; editable.
        card: a text about the model in Markdown, for people; editable, and never part of the content.
        options: what the adapter needs to load it; `partial_kwargs` among them.
        context: the versions it was saved with.
        signatures: method → signature.
        custom_objects: name → where it is and who saved it.
        files: path below the version's folder, with "/" → size and digest. All files but model.yaml.
        creation_time: when it was saved, UTC, to the microsecond.
        content_digest: sha256 over framework, options, signatures, custom objects and files; see `compute_digest`.
        edited: whether the record is not as Tiffin wrote it: edited by hand, or damaged.
        extra: fields that this version of Tiffin does not know; kept when the record is written again.
    """

    name: str
    version: str
    framework: str = ""
    labels: dict[str, str] = attrs.field(factory=dict)
    metadata: dict[str, Any] = attrs.field(factory=dict)
    card: str = ""
    options: dict[str, Any] = attrs.field(factory=dict)
    context: ModelContext = attrs.field(factory=ModelContext)
    signatures: dict[str, ModelSignature] = attrs.field(factory=dict)
    custom_objects: dict[str, ObjectEntry] = attrs.field(factory=dict)
    files: dict[str, FileEntry] = attrs.field(factory=dict)
    creation_time: datetime.datetime = attrs.field(factory=lambda: datetime.datetime.now(datetime.UTC))
    content_digest: str = ""
    edited: bool = False
    extra: dict[str, Any] = attrs.field(factory=dict)

    @property
    def tag(self) -> Tag:
        """The version's full tag."""
        return Tag(self.name, self.version)

    @property
    def size(self) -> int:
        """Bytes of all files together, model.yaml left out."""
        return sum(entry.size for entry in self.files.values())

    def compute_digest(self) -> str:
        """Return the digest of the content: "sha256:" and 64 digits.

        Covers framework, options, signatures, custom objects and every file's path, size and digest, as canonical JSON
        (sorted keys, no spaces, dates as ISO 8601). Name, version, labels, metadata, card, context and times are not covered.
        """
        content = {
            "framework": self.framework,
            "options": self.options,
            "signatures": {name: signature.to_dict() for name, signature in self.signatures.items()},
            "custom_objects": {name: attrs.asdict(entry) for name, entry in self.custom_objects.items()},
            "files": {path: [entry.size, entry.sha256] for path, entry in self.files.items()},
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=lambda date: date.isoformat())
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data, in the order in which it is written."""
        return {
            "name": self.name,
            "version": self.version,
            "framework": self.framework,
            "labels": dict(self.labels),
            "options": self.options,
            "metadata": self.metadata,
            **({"card": self.card} if self.card else {}),
            "context": self.context.to_dict(),
            "signatures": {name: signature.to_dict() for name, signature in self.signatures.items()},
            "custom_objects": {
                name: {key: value for key, value in attrs.asdict(entry).items() if value}
                for name, entry in self.custom_objects.items()
            },
            "api_version": API_VERSION,
            "creation_time": self.creation_time.isoformat(),
            "size": self.size,
            "files": {path: {"size": entry.size, "sha256": entry.sha256} for path, entry in sorted(self.files.items())},
            "content_digest": self.content_digest,
            **self.extra,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, edited: bool = False, path: str = "") -> ModelInfo:
        """Return the info that a record's fields spell.

        Args:
            data: the record's fields, as `to_dict` gives them.
            edited: whether the record's own digest did not fit.
            path: the record's path, for errors.

        Raises:
            RecordError: a field is missing or has another form than `to_dict` gives.
        """
        try:
            return cls(**_fields(data), edited=edited)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, TiffinError) as error:
            cause = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
            raise RecordError(
                f"The record {path or 'model.yaml'} is not valid: {cause.rstrip('.')}",
                why="Without its record a model cannot be loaded",
                fix="Restore the file, or delete the version",
                path=path,
            ) from error


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    known = dict(data)
    api_version = known.pop("api_version", API_VERSION)
    if api_version != API_VERSION:
        raise ValueError(f"its api_version is {api_version!r}, and this Tiffin reads {API_VERSION!r}; upgrade tiffin")
    name, version = known.pop("name"), known.pop("version")
    for part in (name, version):
        if not isinstance(part, str) or not is_part(part):
            raise ValueError(f"{part!r} cannot be a name or version")
    known.pop("size", None)
    known.pop("digest", None)
    created = known.pop("creation_time")
    if isinstance(created, str):
        created = datetime.datetime.fromisoformat(created)
    if not isinstance(created, datetime.datetime):
        raise ValueError(f"creation_time is {created!r}, not a time")
    if created.tzinfo is None:
        created = created.replace(tzinfo=datetime.UTC)
    else:
        created = created.astimezone(datetime.UTC)
    return {
        "name": name,
        "version": version,
        "framework": _typed(known, "framework", str, ""),
        "labels": {str(key): str(value) for key, value in _typed(known, "labels", dict, {}).items()},
        "metadata": _typed(known, "metadata", dict, {}),
        "card": _typed(known, "card", str, ""),
        "options": _typed(known, "options", dict, {}),
        "context": ModelContext.from_dict(_typed(known, "context", dict, {})),
        "signatures": {
            method: ModelSignature.from_any(value, method=method)
            for method, value in _typed(known, "signatures", dict, {}).items()
        },
        "custom_objects": {
            key: _object_entry(key, value) for key, value in _typed(known, "custom_objects", dict, {}).items()
        },
        "files": {
            _relative(path): _file_entry(path, value) for path, value in _typed(known, "files", dict, {}).items()
        },
        "creation_time": created,
        "content_digest": _content_digest(_typed(known, "content_digest", str, "")),
        "extra": known,
    }


def _typed(data: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = data.pop(key, None)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise ValueError(f"{key} is {type(value).__name__}, not {kind.__name__}")
    return value


def _object_entry(name: str, value: Any) -> ObjectEntry:
    if not isinstance(value, dict):
        raise ValueError(f"the custom object {name!r} is {value!r}, not fields")
    entry = dict(value)
    return ObjectEntry(
        _relative(entry["path"]), _typed(entry, "framework", str, ""), _typed(entry, "options", dict, {})
    )


def _file_entry(path: str, value: Any) -> FileEntry:
    if not isinstance(value, dict):
        raise ValueError(f"the file {path!r} is {value!r}, not its size and sha256")
    return FileEntry(_size(value["size"]), _sha256(value["sha256"]))


def _relative(path: Any) -> str:
    # A record from elsewhere must not reach outside its folder.
    if not isinstance(path, str) or not path or path[0] == "/" or "\0" in path or "\\" in path:
        raise ValueError(f"{path!r} is not a relative path")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"{path!r} is not a plain relative path")
    return path


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a size")
    return value


def _content_digest(value: str) -> str:
    # It becomes the name of a file, the origin's.
    if value:
        _sha256(value.removeprefix("sha256:"))
    return value


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise ValueError(f"{value!r} is not a sha256")
    return value

"""What Tiffin pushes: a ModelPack manifest with a raw layer for each file, and its config; for one record the same bytes."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tiffin.exceptions import TransferError
from tiffin.info import RECORD_NAME, ModelInfo, parse_record, render_card
from tiffin.remotes import Content
from tiffin_oci import _media_types as types

_CARD = "README.md"
"""What a model's card is called in a registry, unless the model has such a file itself."""
MAX_MANIFEST = 4_000_000
"""Bytes that a manifest may have: registries have to take 4 MB and some take no more."""


class Blob(NamedTuple):
    """A blob that is held in memory."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """Its digest, as registries write it."""
        return digest_of(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


class Artifact(NamedTuple):
    """A version as a registry holds it, its files' contents left out.

    Attributes:
        manifest: what the tag names.
        blobs: the config, model.yaml and the card, if there is one; they have to be there before the manifest.
    """

    manifest: Blob
    blobs: tuple[Blob, ...]


def digest_of(data: bytes) -> str:
    """Return the digest of bytes as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def make_artifact(name: str, version: str, record: bytes, contents: Sequence[Content], url: str) -> Artifact:
    """Return the artifact of a version.

    Args:
        name: the model's name.
        version: the version.
        record: model.yaml.
        contents: the version's files.
        url: the remote's URL, for errors.

    Raises:
        TransferError: there are too many files for one manifest.
        RecordError: the record is not valid.
    """
    info = parse_record(record, f"{name}:{version}/{RECORD_NAME}")
    files = sorted(contents, key=lambda content: content.path)
    # It travels under ModelPack's type for settings: readers of ModelPack refuse artifacts with layers of other types.
    sealed = Blob(types.WEIGHT_CONFIG, record)
    layers = [{**sealed.descriptor, "annotations": _file_annotations(RECORD_NAME, len(record), info)}]
    layers += [
        {
            "mediaType": types.layer_type(content.path),
            "digest": f"sha256:{content.sha256}",
            "size": content.size,
            "annotations": _file_annotations(content.path, content.size, info),
        }
        for content in files
    ]
    blobs = [sealed]
    if info.card and _CARD not in info.files:
        card = Blob(types.DOC, render_card(info).encode())
        layers.append({**card.descriptor, "annotations": _file_annotations(_CARD, len(card.data), info)})
        blobs.append(card)
    config = Blob(types.MODEL_CONFIG, _json(_config(name, version, info, [str(layer["digest"]) for layer in layers])))
    manifest = {
        "schemaVersion": 2,
        "mediaType": types.MANIFEST,
        "artifactType": types.MODEL,
        "config": config.descriptor,
        "layers": layers,
        "annotations": _annotations(name, version, info, sealed.digest),
    }
    text = _json(manifest)
    if len(text) > MAX_MANIFEST:
        raise TransferError(
            f"Model '{name}:{version}' has too many files for a registry: {len(files)}",
            why=f"Its manifest, which lists them, would have {len(text)} bytes; registries take {MAX_MANIFEST}",
            fix="Save it as fewer, larger files (an archive, say), or push it to another kind of remote",
            url=url,
        )
    return Artifact(Blob(types.MANIFEST, text), (config, *blobs))


def _config(name: str, version: str, info: ModelInfo, digests: Sequence[str]) -> dict[str, Any]:
    return {
        "descriptor": {"name": name, "version": version, "createdAt": _created(info)},
        "config": {"format": info.framework} if info.framework else {},
        # A raw layer is not packed: what it unpacks to is itself.
        "modelfs": {"type": "layers", "diffIds": list(digests)},
    }


def _annotations(name: str, version: str, info: ModelInfo, record: str) -> dict[str, str]:
    found = {
        types.TITLE: name,
        types.IMAGE_VERSION: version,
        types.CREATED: _created(info),
        types.RECORD: record,
        types.NAME: name,
        types.VERSION: version,
        types.FRAMEWORK: info.framework,
        types.CONTENT_DIGEST: info.content_digest,
    }
    found.update((types.LABEL + key, value) for key, value in info.labels.items())
    return {key: value for key, value in found.items() if value}


def _file_annotations(path: str, size: int, info: ModelInfo) -> dict[str, str]:
    metadata: Mapping[str, Any] = {
        "name": path.rpartition("/")[2],
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
        "size": size,
        "mtime": _created(info),
        "typeflag": ord("0"),  # tar's flag of a regular file
    }
    return {types.FILEPATH: path, types.FILE_METADATA: _json(metadata).decode(), types.TITLE: path}


def _created(info: ModelInfo) -> str:
    return info.creation_time.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()

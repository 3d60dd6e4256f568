"""What a manifest says, of a version that Tiffin pushed or of an artifact of another tool's; nothing in it is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tiffin.exceptions import RemoteDamagedError, TransferError
from tiffin.remotes import Content
from tiffin_oci import _media_types as types
from tiffin_oci._errors import clip
from tiffin_oci._reference import is_digest, is_tag

_MAX_SIZE = 1 << 50
_MAX_DEPTH = 32
_MAX_ANNOTATIONS = 200
"""Annotations that are shown as metadata."""


class Manifest(NamedTuple):
    """A manifest as it came, its bytes compared with its digest.

    Attributes:
        digest: of its bytes.
        media_type: as the registry says.
        text: its bytes.
        data: what they hold.
        where: how it is called in errors.
        url: the remote's URL, for errors.
    """

    digest: str
    media_type: str
    text: bytes
    data: Mapping[str, Any]
    where: str
    url: str

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.text)

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations, those that are texts."""
        return _texts(self.data.get("annotations"))

    @property
    def artifact_type(self) -> str:
        """What kind of artifact it is; of older ones the config says so."""
        config = self.data.get("config")
        of_config = config.get("mediaType") if isinstance(config, Mapping) else None
        return str(self.data.get("artifactType") or of_config or "")

    @property
    def version(self) -> str | None:
        """The version that Tiffin pushed under it; `None` for what another tool pushed."""
        annotations = self.annotations
        version = annotations.get(types.VERSION, "")
        # Only what can be a tag: it stands in messages, and a terminal obeys more than it shows.
        return version if is_tag(version) and is_digest(annotations.get(types.RECORD)) else None


class Layer(NamedTuple):
    """One layer, checked: its media type, digest (without "sha256:"), size and annotations."""

    media_type: str
    sha256: str
    size: int
    annotations: dict[str, str]


def read_json(data: bytes, where: str, url: str) -> Mapping[str, Any]:
    """Return the JSON object that bytes hold.

    Raises:
        RemoteDamagedError: they hold something else.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(f"{where} is not JSON", url) from error
    if not isinstance(found, Mapping):
        raise damaged(f"{where} is not a JSON object", url)
    if b"\\ud" in data.lower() and not _is_text(found):
        raise damaged(f"{where} holds text that is not Unicode", url)
    return found


def _is_text(found: object) -> bool:
    # JSON can spell half a surrogate pair, which no record and no terminal takes.
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def record_layer(manifest: Manifest) -> Layer:
    """Return the layer that is model.yaml.

    Raises:
        RemoteDamagedError: there is none.
    """
    digest = manifest.annotations[types.RECORD].removeprefix("sha256:")
    for layer in layers(manifest):
        if layer.sha256 == digest:
            return layer
    raise damaged(f"{manifest.where} names a record that it does not have", manifest.url)


def layers(manifest: Manifest) -> list[Layer]:
    """Return the layers of a manifest.

    Raises:
        RemoteDamagedError: one is not valid.
    """
    found = manifest.data.get("layers")
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise damaged(f"{manifest.where} has no layers", manifest.url)
    return [_layer(entry, number, manifest) for number, entry in enumerate(found)]


def descriptor(entry: object, where: str, url: str) -> Layer:
    """Return a descriptor of JSON, checked.

    Raises:
        RemoteDamagedError: it is not valid.
        TransferError: its digest is of another algorithm.
    """
    if not isinstance(entry, Mapping):
        raise damaged(f"{where} is not valid", url)
    digest, size = entry.get("digest"), entry.get("size")
    if isinstance(digest, str) and digest.startswith("sha512:"):
        raise TransferError(f"{where} has a digest of sha512", why="Tiffin compares contents by sha256", url=url)
    if not is_digest(digest) or not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
        raise damaged(f"{where} has no valid digest and size", url)
    media_type = entry.get("mediaType")
    return Layer(
        media_type if isinstance(media_type, str) else "",
        str(digest).removeprefix("sha256:"),
        size,
        _texts(entry.get("annotations")),
    )


def contents_of(manifest: Manifest) -> list[Content]:
    """Return the contents of an artifact that another tool pushed: plain files by path, and archives.

    Raises:
        RemoteDamagedError: a layer is not valid.
        TransferError: it is nothing that holds files which can be taken as a model's.
    """
    config = manifest.data.get("config")
    kind = config.get("mediaType") if isinstance(config, Mapping) else ""
    if kind in types.IMAGE_CONFIGS and manifest.data.get("artifactType") in (None, "", kind):
        raise TransferError(
            f"{manifest.where} is a container image, not a model",
            why="Its layers are changes to a system of files",
            fix="Run it with a container engine; what you look for may have another name",
            url=manifest.url,
        )
    found: list[Content] = []
    archives: set[Content] = set()
    for number, layer in enumerate(layers(manifest)):
        content = _content(layer, number, manifest)
        # Named again, an archive would bring the same files, or none, for another time of fetching.
        if content not in archives:
            found.append(content)
        if content.archive:
            archives.add(content)
    if not found:
        raise TransferError(f"{manifest.where} has no files", why="It may be a signature or a note", url=manifest.url)
    return found


def _content(layer: Layer, number: int, manifest: Manifest) -> Content:
    title = layer.annotations.get(types.FILEPATH) or layer.annotations.get(types.TITLE) or ""
    packed = types.packing(layer.media_type)
    if packed is None:
        raise TransferError(
            f"Layer {number} of {manifest.where} is packed in a way that is not read: {clip(layer.media_type)}",
            why="Layers are read raw, or as tar, tar+gzip and tar+zstd",
            url=manifest.url,
        )
    # oras calls plain files tar, too, unless it is told their type; what it has packed is marked.
    as_image = layer.media_type.startswith("application/vnd.oci.image.layer.")
    if packed and not (as_image and title and layer.annotations.get(types.UNPACK) != "true"):
        return Content(sha256=layer.sha256, size=layer.size, archive=packed)
    return Content(sha256=layer.sha256, size=layer.size, path=_path(title or f"layer-{number}", number, manifest))


def _path(path: str, number: int, manifest: Manifest) -> str:
    path = path.removeprefix("./")
    parts = path.split("/")
    if (
        len(path) > 1024
        or any(part in ("", ".", "..") for part in parts)
        or "\\" in path
        or path[1:2] == ":"
        or not path.isprintable()
    ):
        raise damaged(
            f"Layer {number} of {manifest.where} has a path that leads elsewhere: {clip(ascii(path))}", manifest.url
        )
    return path


def description(manifest: Manifest, config: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return what another tool says of its artifact, as labels and as metadata.

    Args:
        manifest: the manifest.
        config: its config; empty where it is not ModelPack's.
    """
    known, technical = _plain(config.get("descriptor")), _plain(config.get("config"))
    labels = {
        key: value
        for source in (known, technical)
        for key in ("family", "vendor", "architecture", "format", "paramSize", "precision", "quantization")
        if isinstance(value := source.get(key), str) and 0 < len(value) <= 255 and value.isprintable()
    }
    annotations = dict(list(manifest.annotations.items())[:_MAX_ANNOTATIONS])
    metadata: dict[str, Any] = {"artifactType": clip(manifest.artifact_type), "digest": manifest.digest}
    created = known.get("createdAt") or annotations.get(types.CREATED)
    if isinstance(created, str):
        metadata["created"] = clip(created)
    for key, value in (("descriptor", known), ("config", technical), ("annotations", annotations)):
        if value:
            metadata[key] = value
    return labels, metadata


def choose(index: Manifest) -> str:
    """Return the digest of the one manifest of an index that is a model.

    Raises:
        TransferError: there is none, or several.
    """
    entries = index.data.get("manifests")
    found = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, Sequence) else []
    # What build tools put beside an image, to say how it was made.
    found = [e for e in found if "vnd.docker.reference.type" not in _texts(e.get("annotations"))]
    models = [entry for entry in found if entry.get("artifactType") == types.MODEL]
    chosen = models or found
    if len(chosen) != 1:
        shown = ", ".join(
            clip(str(entry.get("artifactType") or entry.get("platform") or "?"), 60) for entry in chosen[:5]
        )
        raise TransferError(
            f"{index.where} is a list of {len(chosen)} artifacts, of which none is meant in particular"
            + (f": {shown}" if shown else ""),
            fix="Let whoever made it give each a tag of its own",
            url=index.url,
        )
    return "sha256:" + descriptor(chosen[0], index.where, index.url).sha256


def damaged(what: str, url: str) -> RemoteDamagedError:
    """Return the error for what no honest registry and tool makes."""
    return RemoteDamagedError(what, why="It is damaged there, or somebody means harm; nothing of it was taken", url=url)


def _layer(entry: object, number: int, manifest: Manifest) -> Layer:
    return descriptor(entry, f"Layer {number} of {manifest.where}", manifest.url)


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _plain(value: object) -> dict[str, Any]:
    """Return a JSON object without what is nested absurdly deep."""
    return {key: below for key, below in value.items() if _shallow(below)} if isinstance(value, Mapping) else {}


def _shallow(value: object, depth: int = 0) -> bool:
    if depth > _MAX_DEPTH:
        return False
    below = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return all(_shallow(item, depth + 1) for item in below)

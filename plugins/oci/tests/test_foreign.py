"""Artifacts that other tools, or enemies, put into a registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from stepwise import make_version, opened, pull, push
from tiffin.exceptions import RemoteDamagedError, TransferError
from tiffin_oci import _media_types as types
from tiffin_oci._manifest import Blob
from tiffin_oci._manifests import put_manifest
from tiffin_oci._remote import OciRemote

Layer = tuple[str, bytes, dict[str, str]]
"""Media type, bytes, annotations."""


@pytest.fixture
def show(remote: OciRemote) -> Callable[..., str]:
    """Put an artifact into the repository `other`; returns its digest."""

    def show(*layers: Layer, tag: str = "1.0", config: tuple[str, bytes] = (types.EMPTY, b"{}"), **changes: Any) -> str:
        descriptors = []
        for media_type, data, notes in [(*config, {}), *layers]:
            sha256 = hashlib.sha256(data).hexdigest()
            if not remote.has("other", sha256, len(data)):
                remote.send("other", sha256, len(data), lambda data=data: opened(data))
            entry = {
                "mediaType": media_type,
                "digest": f"sha256:{sha256}",
                "size": len(data),
                "annotations": notes,
            }
            descriptors.append(entry)
        manifest = {
            "schemaVersion": 2,
            "mediaType": types.MANIFEST,
            "config": descriptors[0],
            "layers": descriptors[1:],
        }
        blob = Blob(changes.pop("media_type", types.MANIFEST), json.dumps({**manifest, **changes}).encode())
        put_manifest(remote._client, remote._place.repository("other"), tag, blob)
        return blob.digest

    return show


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/vnd.oci.image.layer.v1.tar"])
def test_plain_files_of_oras_have_their_titles(remote: OciRemote, show: Callable[..., str], kind: str) -> None:
    """Oras calls a plain file tar, unless it is told what it is: the title says its name, and nothing is unpacked."""
    show((kind, b"weights", {types.TITLE: "a/model.bin"}), (kind, b"text", {types.TITLE: "./readme.md"}))
    found: Any = remote.find("other", "1.0")
    assert [(content.path, content.archive) for content in found.contents] == [("a/model.bin", ""), ("readme.md", "")]
    assert pull(remote, found, found.contents[0]) == b"weights"


def test_a_folder_of_oras_is_an_archive(remote: OciRemote, show: Callable[..., str]) -> None:
    """What oras has packed is marked, and so unpacked."""
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    show((kind, b"packed", {types.TITLE: "folder", types.UNPACK: "true"}))
    found: Any = remote.find("other", "1.0")
    assert [(content.path, content.archive) for content in found.contents] == [("", "tar.gz")]


def test_a_layer_without_a_name_gets_one(remote: OciRemote, show: Callable[..., str]) -> None:
    """Other makers of artifacts name no files; their layers are told apart by number."""
    show(("application/vnd.ollama.image.model", b"a", {}), ("application/vnd.ollama.image.license", b"b", {}))
    found: Any = remote.find("other", "1.0")
    assert [content.path for content in found.contents] == ["layer-0", "layer-1"]


def test_the_tag_latest_of_others_stands_aside(remote: OciRemote, show: Callable[..., str]) -> None:
    """Where a real version has the same content it is that one; where `latest` is all there is, it is a version."""
    layer = ("application/octet-stream", b"one", {types.TITLE: "f"})
    show(layer, tag="latest")
    assert list(remote.versions("other")) == ["latest"]
    show(layer, tag="Q4_K_M")
    assert list(remote.versions("other")) == ["Q4_K_M"]
    assert remote.aliases("other") == {}
    show(("application/octet-stream", b"two", {types.TITLE: "f"}), tag="latest")
    assert sorted(remote.versions("other")) == ["Q4_K_M", "latest"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "a//b", "C:/x", "a\\b", "a\0b", ".", "x" * 2000, "a/"]
)
def test_a_path_that_leads_elsewhere_is_refused(remote: OciRemote, show: Callable[..., str], path: str) -> None:
    """What an annotation calls a file is checked before anything is fetched."""
    for key in (types.TITLE, types.FILEPATH):
        show((types.WEIGHT, b"x", {key: path}))
        with pytest.raises(RemoteDamagedError, match="a path that leads elsewhere"):
            remote.find("other", "1.0")


def test_a_container_image_is_no_model(remote: OciRemote, show: Callable[..., str]) -> None:
    """The error says what it is."""
    layer = ("application/vnd.oci.image.layer.v1.tar+gzip", b"x", {})
    show(layer, config=("application/vnd.oci.image.config.v1+json", b"{}"))
    with pytest.raises(TransferError, match="is a container image, not a model"):
        remote.find("other", "1.0")
    assert list(remote.versions("other")) == ["1.0"]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"layers": 5}, RemoteDamagedError, "has no layers"),
        ({"layers": [5]}, RemoteDamagedError, "is not valid"),
        ({"layers": [{"digest": "sha256:../../x", "size": 1}]}, RemoteDamagedError, "no valid digest and size"),
        ({"layers": [{"digest": "sha256:" + "0" * 64, "size": -1}]}, RemoteDamagedError, "no valid digest and size"),
        ({"layers": [{"digest": "sha256:" + "0" * 64, "size": True}]}, RemoteDamagedError, "no valid digest and size"),
        ({"layers": [{"digest": "sha256:" + "0" * 64, "size": 1e3}]}, RemoteDamagedError, "no valid digest and size"),
        ({"layers": [{"digest": "sha512:" + "0" * 128, "size": 1}]}, TransferError, "a digest of sha512"),
        ({"layers": []}, TransferError, "has no files"),
        ({"mediaType": types.INDEX}, RemoteDamagedError, "says that it is"),
        ({"annotations": {types.RECORD: "sha256:" + "1" * 64, types.VERSION: "1.0"}}, RemoteDamagedError, "names a record"),
        ({"layers": [{"mediaType": "application/x.tar+xz", "digest": "sha256:" + "0" * 64, "size": 1}]}, TransferError,
         "packed in a way that is not read"),
    ],
)  # fmt: skip
def test_a_manifest_that_makes_no_sense_is_refused(
    remote: OciRemote, open_remote: Callable[..., OciRemote], registry: Any, space: str,
    changes: dict[str, Any], error: type[TransferError], text: str,
) -> None:  # fmt: skip
    """Whatever it holds: an error of Tiffin's that says what is wrong, and nothing fetched."""
    from faults import answer, proxy

    config = {"mediaType": types.EMPTY, "digest": "sha256:" + "0" * 64, "size": 2}
    layers = [{"mediaType": types.WEIGHT, "digest": "sha256:" + "0" * 64, "size": 1, "annotations": {types.TITLE: "x"}}]
    manifest = {"schemaVersion": 2, "mediaType": types.MANIFEST, "config": config, "layers": layers, **changes}
    fault = answer(200, json.dumps(manifest).encode(), Content_Type=types.MANIFEST)
    with proxy(registry.port, lambda request: fault) as front, pytest.raises(error, match=text) as caught:
        open_remote(f"oci://{front.host}/{space}").find("other", "1.0")
    assert type(caught.value) is error


@pytest.mark.parametrize("body", [b"", b"5", b"[]", b"{", b"{}", b"[" * 100_000, b'{"mediaType": 5}', b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(
    open_remote: Callable[..., OciRemote], registry: Any, space: str, body: bytes
) -> None:
    """Nonsense in a manifest's place is an error of Tiffin's."""
    from faults import answer, proxy

    with proxy(registry.port, lambda request: answer(200, body)) as front, pytest.raises(TransferError):
        open_remote(f"oci://{front.host}/{space}").find("other", "1.0")


def index(remote: OciRemote, *entries: dict[str, Any], tag: str = "all") -> None:
    data = {"schemaVersion": 2, "mediaType": types.INDEX, "manifests": list(entries)}
    put_manifest(remote._client, remote._place.repository("other"), tag, Blob(types.INDEX, json.dumps(data).encode()))


def entry(remote: OciRemote, digest: str, **more: Any) -> dict[str, Any]:
    from tiffin_oci._manifests import get_manifest

    manifest = get_manifest(remote._client, remote._place.repository("other"), digest)
    assert manifest is not None
    return {"mediaType": types.MANIFEST, "digest": digest, "size": manifest.size, **more}


def test_the_one_model_of_an_index_is_taken(remote: OciRemote, show: Callable[..., str]) -> None:
    """An index with one artifact, or with one that is a ModelPack, means that; others need a tag of their own."""
    one = show(("application/octet-stream", b"1", {types.TITLE: "f1"}), tag="one")
    two = show(("application/octet-stream", b"2", {types.TITLE: "f2"}), tag="two")
    index(remote, entry(remote, one))
    found: Any = remote.find("other", "all")
    assert [content.path for content in found.contents] == ["f1"]
    index(remote, entry(remote, one), entry(remote, two, artifactType=types.MODEL))
    found = remote.find("other", "all")
    assert [content.path for content in found.contents] == ["f2"]
    note = {"vnd.docker.reference.type": "attestation-manifest"}
    index(remote, entry(remote, one, annotations=note), entry(remote, two))
    assert remote.find("other", "all") is not None
    index(remote, entry(remote, one), entry(remote, two))
    with pytest.raises(TransferError, match=r"a list of 2 artifacts.*tag of its own"):
        remote.find("other", "all")
    assert "all" in remote.versions("other")


def test_what_a_config_says_becomes_labels_and_metadata(remote: OciRemote, show: Callable[..., str]) -> None:
    """Short texts by which people search are labels, all else is metadata; what is nested absurdly is left out."""
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    config = {
        "descriptor": {"family": "llama", "licenses": ["MIT"], "createdAt": "2026-01-02T03:04:05Z", "deep": deep},
        "config": {"format": "gguf", "precision": "x" * 300, "architecture": "a\nb"},
    }
    layer = (types.WEIGHT, b"x", {types.FILEPATH: "model.gguf"})
    show(layer, config=(types.MODEL_CONFIG, json.dumps(config).encode()), artifactType=types.MODEL)
    found: Any = remote.find("other", "1.0")
    assert found.labels == {"family": "llama", "format": "gguf"}
    assert found.metadata["created"] == "2026-01-02T03:04:05Z"
    assert found.metadata["descriptor"]["licenses"] == ["MIT"]
    assert "deep" not in found.metadata["descriptor"]


def test_a_version_in_somebody_elses_name_stays_what_it_says(
    remote: OciRemote, open_remote: Callable[..., OciRemote]
) -> None:
    """A manifest that claims another version than its tag is an alias at most, never that version."""
    push(remote, make_version())
    remote.set_alias("iris", "v9", "v1")
    found = remote.find("iris", "v9")
    assert found is not None
    assert found.version == "v1"
    assert list(remote.versions("iris")) == ["v1"]

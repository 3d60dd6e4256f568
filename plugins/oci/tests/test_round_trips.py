"""A version goes to a registry and comes back; what is there already does not travel."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from stepwise import FILES, make_version, opened, pull, push
from tiffin.exceptions import (
    InvalidTagError,
    ModelExistsError,
    ModelNotFoundError,
    RemoteUnreachableError,
    StoreError,
    TransferError,
)
from tiffin.remotes import Content
from tiffin_oci._remote import OciRemote


def test_a_version_comes_back_as_it_was(remote: OciRemote) -> None:
    """Record and files are the same bytes, empty files included."""
    version = make_version(labels={"stage": "test"})
    push(remote, version)
    found = remote.find("iris", "v1")
    assert found is not None
    assert (found.name, found.version, found.record) == ("iris", "v1", version.record)
    for content in version.contents:
        assert pull(remote, found, content) == FILES[content.path]


def test_what_is_there_does_not_travel_again(remote: OciRemote) -> None:
    """A second version sends only the files that changed."""
    push(remote, make_version())
    assert push(remote, make_version()) == []
    changed = {**FILES, "config.json": b'{"changed": true}'}
    assert push(remote, make_version(changed, "iris:v2")) == ["config.json"]


def test_reading_goes_on_from_any_byte(remote: OciRemote) -> None:
    """Where a connection broke, the rest is asked for, and nothing else; at the end there is nothing."""
    version = make_version()
    push(remote, version)
    found = remote.find("iris", "v1")
    assert found is not None
    [content] = [content for content in version.contents if content.path == "weights.bin"]
    whole = FILES["weights.bin"]
    for offset in (0, 1, 1000, len(whole) - 1, len(whole)):
        assert pull(remote, found, content, offset) == whole[offset:]
    with remote.open(found, content, 5) as source:
        assert source.read() == whole[5:]


def test_versions_and_aliases_are_told_apart(remote: OciRemote) -> None:
    """An alias is a further tag; the manifest says which version it is."""
    for tag in ("iris:v1", "iris:v2"):
        push(remote, make_version(tag=tag))
    remote.set_alias("iris", "prod", "v1")
    assert sorted(remote.versions("iris")) == ["v1", "v2"]
    assert remote.aliases("iris") == {"prod": "v1"}
    remote.set_alias("iris", "prod", "v2")
    assert remote.aliases("iris") == {"prod": "v2"}
    found = remote.find("iris", "prod")
    assert found is not None
    assert found.version == "v2"


def test_an_alias_follows_a_version_that_is_replaced(remote: OciRemote) -> None:
    """An alias means a version, not one content of it: after a push by force it means the new one."""
    push(remote, make_version())
    remote.set_alias("iris", "prod", "v1")
    other = make_version({"weights.bin": b"other"})
    push(remote, other, force=True)
    found = remote.find("iris", "prod")
    assert found is not None
    assert found.record == other.record
    assert list(remote.versions("iris")) == ["v1"]
    assert remote.aliases("iris") == {"prod": "v1"}


def test_an_alias_cannot_take_the_place_of_a_version(remote: OciRemote) -> None:
    """A tag that is a version stays it; an alias needs a version that is there, and cannot be `latest`."""
    for tag in ("iris:v1", "iris:v2"):
        push(remote, make_version(tag=tag))
    with pytest.raises(InvalidTagError, match="It is a version there"):
        remote.set_alias("iris", "v2", "v1")
    with pytest.raises(InvalidTagError):
        remote.set_alias("iris", "latest", "v1")
    with pytest.raises(ModelNotFoundError):
        remote.set_alias("iris", "prod", "v3")


def test_another_model_does_not_replace_a_version(remote: OciRemote) -> None:
    """Before anything is sent a version that exists is refused, at the end, too; `force` replaces it."""
    push(remote, make_version())
    other = make_version({"weights.bin": b"other"})
    with pytest.raises(ModelExistsError, match="is another model"):
        remote.prepare(*other[:4], force=False)
    with pytest.raises(ModelExistsError, match="is another model"):
        remote.publish(*other[:4], force=False)
    push(remote, other, force=True)
    found = remote.find("iris", "v1")
    assert found is not None
    assert found.record == other.record


def test_a_version_does_not_take_the_place_of_an_alias(remote: OciRemote) -> None:
    """Who pushes a version that is called as an alias there is told so."""
    push(remote, make_version())
    remote.set_alias("iris", "prod", "v1")
    with pytest.raises(ModelExistsError, match="an alias of v1"):
        push(remote, make_version({"a": b"b"}, "iris:prod"))


def test_what_is_not_there_is_none(remote: OciRemote) -> None:
    """A name or version that nobody has pushed is no error."""
    assert remote.find("iris", "v1") is None
    assert list(remote.versions("iris")) == []
    assert remote.aliases("iris") == {}
    push(remote, make_version())
    assert remote.find("iris", "v2") is None
    assert remote.find("iris", "no tag!") is None


def test_names_come_from_the_catalog(remote: OciRemote, open_remote: Callable[..., OciRemote]) -> None:
    """Only names directly below the namespace are its models."""
    push(remote, make_version())
    push(remote, make_version(tag="rose:v1"))
    push(open_remote(f"{remote.url}/deeper"), make_version(tag="other:v1"))
    assert sorted(remote.names()) == ["iris", "rose"]


def test_a_url_may_name_the_model(remote: OciRemote, open_remote: Callable[..., OciRemote]) -> None:
    """Where the URL ends in the model's name, that is its repository."""
    push(remote, make_version())
    direct = open_remote(f"{remote.url}/iris")
    assert direct.find("iris", "v1") is not None
    assert list(direct.names()) == ["iris"]


def test_contents_are_linked_from_other_repositories(registry: Any, remote: OciRemote) -> None:
    """A content that another model of the registry is known to have is mounted, not sent."""
    push(remote, make_version())
    before = registry.log.count("http.request.method=PUT")
    sent = push(remote, make_version(tag="rose:v1"))
    assert "weights.bin" not in sent
    assert "mount=sha256" in registry.log
    assert registry.log.count("http.request.method=PUT") >= before
    found = remote.find("rose", "v1")
    assert found is not None
    weights = Content(sha256=hashlib.sha256(FILES["weights.bin"]).hexdigest(), size=len(FILES["weights.bin"]))
    assert pull(remote, found, weights) == FILES["weights.bin"]


def test_a_repository_that_is_told_of_is_linked_from(
    remote: OciRemote, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """`mount_from` names repositories elsewhere in the registry."""
    push(remote, make_version())
    other = open_remote(f"{remote.url}-other", mount_from=f"nobody/nothing, {space}/iris")
    assert "weights.bin" not in push(other, make_version(tag="rose:v1"))


def test_a_blob_is_sent_in_parts(remote: OciRemote, open_remote: Callable[..., OciRemote], registry: Any) -> None:
    """With `chunk_size` a blob larger than that goes in several requests, and arrives whole."""
    parts = open_remote(remote.url, chunk_size=100_000)
    version = make_version()
    before = registry.log.count("PATCH")
    push(parts, version)
    assert registry.log.count("PATCH") > before
    found = remote.find("iris", "v1")
    assert found is not None
    [content] = [content for content in version.contents if content.path == "weights.bin"]
    assert pull(remote, found, content) == FILES["weights.bin"]


class Changed:
    """A source that finds, at its end, that it is not what it should be."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def read(self, size: int = -1, /) -> bytes:
        if len(self.left) <= size:
            raise StoreError("it was changed", path="weights.bin")
        data, self.left = self.left[:size], self.left[size:]
        return data

    def __enter__(self) -> Changed:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("chunk_size", [0, 300_000])
def test_nothing_remains_of_a_source_that_fails(
    remote: OciRemote, open_remote: Callable[..., OciRemote], chunk_size: int
) -> None:
    """The error of the source goes through, and the registry has no such blob."""
    data = FILES["weights.bin"] * 4
    sender = open_remote(remote.url, chunk_size=chunk_size)
    sha256 = hashlib.sha256(data).hexdigest()
    with pytest.raises(StoreError, match="it was changed"):
        sender.send("iris", sha256, len(data), lambda: Changed(data))
    assert not remote.has("iris", sha256, len(data))


@pytest.mark.parametrize("error", [OSError("the disk is gone"), ConnectionResetError("a network file system")])
def test_an_error_of_reading_is_not_taken_for_one_of_the_connection(remote: OciRemote, error: Exception) -> None:
    """What the source raises is not tried again, even where it looks like a broken connection."""

    class Broken(Changed):
        def read(self, size: int = -1, /) -> bytes:
            raise error

    asked = []

    def source() -> Changed:
        asked.append(1)
        return Broken(b"")

    with pytest.raises(type(error)) as caught:
        remote.send("iris", "0" * 64, 1000, source)
    assert caught.value is error
    assert asked == [1]


@pytest.mark.parametrize("length", [999, 1001])
def test_a_source_of_another_length_is_refused(remote: OciRemote, length: int) -> None:
    """Neither less nor more than what was said is sent."""
    data = b"x" * length
    with pytest.raises(TransferError, match="not as long as it should be"):
        remote.send("iris", "0" * 64, 1000, lambda: opened(data))


def test_bytes_that_are_not_what_they_should_be_are_refused(remote: OciRemote) -> None:
    """The registry compares digests; what it refuses is tried again within bounds, and then told."""
    with pytest.raises(TransferError, match=r"refused: status 400.*digest"):
        remote.send("iris", "0" * 64, 4, lambda: opened(b"abcd"))


def test_two_who_publish_at_once_are_not_both_told_of_success(
    remote: OciRemote, open_remote: Callable[..., OciRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds another manifest under the tag after the own one was put is told so."""
    import tiffin_oci._remote as module

    mine, theirs = make_version(), make_version({"weights.bin": b"theirs"})
    other = open_remote(remote.url)
    push(other, theirs)
    push(remote, mine, force=True)
    push(other, theirs, force=True)
    plain = module.put_manifest

    def put(client: Any, repository: str, reference: str, manifest: Any) -> Any:
        headers = plain(client, repository, reference, manifest)
        monkeypatch.setattr(module, "put_manifest", plain)
        push(other, theirs, force=True)
        return headers

    monkeypatch.setattr(module, "put_manifest", put)
    with pytest.raises(ModelExistsError, match="at the same moment"):
        push(remote, mine, force=True)


def test_too_many_files_are_refused_before_anything_is_sent(remote: OciRemote, registry: Any, space: str) -> None:
    """A manifest that no registry takes is known before the first blob goes."""
    content = Content(sha256="0" * 64, size=1, path="f")
    contents = [attrs.evolve(content, path=f"folder/file-{number:06}") for number in range(20_000)]
    with pytest.raises(TransferError, match=r"too many files for a registry: 20000.*fewer, larger files"):
        remote.prepare("iris", "v1", make_version().record, contents, force=False)
    assert space not in registry.log


@pytest.mark.parametrize("name", ["a..b", "a._b", "a___b"])
def test_a_name_that_no_repository_can_have_is_refused(remote: OciRemote, name: str) -> None:
    """A few names of models break a registry's rules: the error says which rule."""
    with pytest.raises(TransferError, match="cannot be a repository's"):
        remote.prepare(name, "v1", make_version(tag=f"{name}:v1").record, [], force=False)


def test_a_registry_that_is_not_there_is_told(open_remote: Callable[..., OciRemote], waits: list[float]) -> None:
    """After some tries the error names host and cause, and the waits grew."""
    remote = open_remote("oci://127.0.0.1:9/team", retries=3)
    with pytest.raises(RemoteUnreachableError, match=r"oci://127.0.0.1:9/team cannot be reached in 4 tries"):
        remote.find("iris", "v1")
    assert len(waits) == 3
    assert waits == sorted(waits)


def test_the_manifest_is_what_the_reference_says(registry: Any, remote: OciRemote, space: str) -> None:
    """Media types, annotations and config are those of ModelPack, and model.yaml is a file among the others."""
    version = make_version(labels={"stage": "test"}, framework="picklable")
    push(remote, version)
    request = urllib.request.Request(f"http://{registry.host}/v2/{space}/iris/manifests/v1")
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    with urllib.request.urlopen(request) as answer:
        manifest = json.load(answer)
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    kinds = {layer["annotations"]["org.cncf.model.filepath"]: layer["mediaType"] for layer in manifest["layers"]}
    assert kinds == {
        "model.yaml": "application/vnd.cncf.model.weight.config.v1.raw",
        "config.json": "application/vnd.cncf.model.weight.config.v1.raw",
        "parts/empty": "application/vnd.cncf.model.weight.v1.raw",
        "parts/notes.md": "application/vnd.cncf.model.doc.v1.raw",
        "weights.bin": "application/vnd.cncf.model.weight.v1.raw",
    }
    annotations = manifest["annotations"]
    assert annotations["tiffin.version"] == "v1"
    assert annotations["tiffin.framework"] == "picklable"
    assert annotations["tiffin.label.stage"] == "test"
    assert annotations["tiffin.record"] == f"sha256:{hashlib.sha256(version.record).hexdigest()}"
    metadata = json.loads(manifest["layers"][0]["annotations"]["org.cncf.model.file.metadata+json"])
    assert (metadata["name"], metadata["mode"], metadata["typeflag"]) == ("model.yaml", 420, 48)
    with urllib.request.urlopen(
        f"http://{registry.host}/v2/{space}/iris/blobs/{manifest['config']['digest']}"
    ) as answer:
        config = json.load(answer)
    assert set(config) == {"descriptor", "config", "modelfs"}
    assert config["modelfs"] == {"type": "layers", "diffIds": [layer["digest"] for layer in manifest["layers"]]}

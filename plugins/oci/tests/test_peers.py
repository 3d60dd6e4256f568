"""Other tools read what Tiffin pushes, and Tiffin reads what they push."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from peers import ask_peer
from registries import Registry
from servers import Missing, program
from stepwise import FILES, Version, make_version, pull, push
from tiffin import models
from tiffin.store import ModelStore
from tiffin_oci._remote import OciRemote


def run(name: str, *arguments: object) -> str:
    """Run a program and return its output; skip where it is not installed."""
    try:
        command = [program(name, f"on Debian: apt-get install {name}"), *map(str, arguments)]
    except Missing as missing:
        pytest.skip(str(missing))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def pushed(remote: OciRemote) -> Version:
    """A version that was pushed as iris:v1."""
    version = make_version(labels={"stage": "test"}, framework="picklable")
    push(remote, version)
    return version


def test_skopeo_reads_the_manifest(registry: Registry, space: str, pushed: Version) -> None:
    """`skopeo inspect --raw` shows the manifest of ModelPack."""
    text = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{space}/iris:v1")
    assert json.loads(text)["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"


def test_skopeo_copies_all_and_umoci_lists_it(registry: Registry, space: str, pushed: Version, tmp_path: Path) -> None:
    """Copied to an OCI layout, each file is a blob there, and umoci knows the tag."""
    image = f"docker://{registry.host}/{space}/iris:v1"
    run("skopeo", "copy", "--quiet", "--src-tls-verify=false", image, f"oci:{tmp_path / 'layout'}:v1")
    blobs = tmp_path / "layout" / "blobs" / "sha256"
    for content in pushed.contents:
        assert (blobs / content.sha256).read_bytes() == FILES[content.path]
    assert run("umoci", "ls", "--layout", tmp_path / "layout").split() == ["v1"]


def test_a_copy_to_another_registry_is_the_same_version(
    registry: Registry, own: Registry, space: str, pushed: Version, open_remote: Callable[..., OciRemote]
) -> None:
    """What other tools copy from registry to registry is still what Tiffin pushed."""
    source, target = (f"docker://{host}/{space}/iris:v1" for host in (registry.host, own.host))
    run("skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", source, target)
    found = open_remote(f"oci://{own.host}/{space}").find("iris", "v1")
    assert found is not None
    assert found.record == pushed.record


MODELPACK = """
import json, os, sys
from pathlib import Path
from modelpack_client import ModelDescriptor, ModelLayer, ModelPackClient, ModelPackConfig, ModelTechnicalConfig
command, reference, folder = sys.argv[1:]
client = ModelPackClient(insecure=True)
if command == "pull":
    print(sorted(path.relative_to(folder).as_posix() for path in map(Path, client.pull(reference, folder).files)))
else:
    os.chdir(folder)
    kinds = {"weights.bin": "weight.v1.raw", "plain": "weight.v1.tar"}
    kinds.update({"gzip": "weight.v1.tar+gzip", "zstd": "doc.v1.tar+zstd"})
    layers = [ModelLayer(path, media_type=f"application/vnd.cncf.model.{kind}") for path, kind in kinds.items()]
    descriptor = ModelDescriptor(name="other", version="1.0", family="tests", licenses=("Apache-2.0",),
                                 created_at="2026-01-02T03:04:05Z")
    config = ModelPackConfig(descriptor=descriptor, config=ModelTechnicalConfig(format="safetensors", precision="float16"))
    client.push(reference, layers=layers, config=config)
"""


def modelpack(*arguments: object) -> str:
    """Run the ModelPack client of somebody else's."""
    try:
        ask_peer("modelpack", "-c", MODELPACK, *map(str, arguments))
    except Missing as missing:
        pytest.skip(str(missing))


def test_modelpack_client_pulls_what_was_pushed(
    registry: Registry, space: str, pushed: Version, tmp_path: Path
) -> None:
    """The client of ModelPack finds every file, and the record as model.yaml."""
    modelpack("pull", f"{registry.host}/{space}/iris:v1", tmp_path / "got")
    found = {
        path.relative_to(tmp_path / "got").as_posix(): path for path in (tmp_path / "got").rglob("*") if path.is_file()
    }
    assert set(found) == {*FILES, "model.yaml"}
    assert all(found[path].read_bytes() == data for path, data in FILES.items())
    assert found["model.yaml"].read_bytes() == pushed.record


def make_folder(folder: Path) -> dict[str, bytes]:
    """Make what the client of ModelPack pushes; returns what it holds, by path."""
    files = {"weights.bin": bytes(range(256)) * 999, "plain/a.txt": b"a", "gzip/b/c.txt": b"c" * 9999, "zstd/d": b""}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return files


def test_what_modelpack_client_pushed_is_pulled(
    registry: Registry, remote: OciRemote, space: str, tmp_path: Path
) -> None:
    """Raw layers and those that are tar, with gzip and zstd, become the files of a version; descriptions its metadata."""
    files = make_folder(tmp_path / "made")
    modelpack("push", f"{registry.host}/{space}/other:1.0", tmp_path / "made")
    store = ModelStore(tmp_path / "store")
    model = models.pull("other:1.0", remote, store=store)
    assert {path: (model.path / path).read_bytes() for path in model.info.files} == files
    assert model.info.labels == {"family": "tests", "format": "safetensors", "precision": "float16"}
    assert model.info.metadata["descriptor"]["licenses"] == ["Apache-2.0"]
    assert model.info.creation_time.isoformat() == "2026-01-02T03:04:05+00:00"
    assert models.list_remote(remote, "other")[0].version == "1.0"


def test_the_layers_of_others_are_told_as_they_are(
    registry: Registry, remote: OciRemote, space: str, tmp_path: Path
) -> None:
    """Plain files have a path, packed ones say how they are packed, and their bytes are those of the layer."""
    files = make_folder(tmp_path / "made")
    modelpack("push", f"{registry.host}/{space}/other:1.0", tmp_path / "made")
    found: Any = remote.find("other", "1.0")
    assert found.record is None
    assert [(content.path, content.archive) for content in found.contents] == [
        ("weights.bin", ""), ("", "tar"), ("", "tar.gz"), ("", "tar.zst"),
    ]  # fmt: skip
    assert pull(remote, found, found.contents[0]) == files["weights.bin"]

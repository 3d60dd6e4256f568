"""Signatures beside a version: artifacts that refer to its manifest."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from faults import Fault, Request, answer, proxy
from registries import Registry
from stepwise import make_version, push
from tiffin.exceptions import StoreWarning, TransferError
from tiffin.remotes import RemoteVersion
from tiffin_oci import _media_types as types
from tiffin_oci import _referrers
from tiffin_oci._remote import OciRemote, connect

STATEMENT = {"predicateType": "https://model_signing/signature/v1.0"}
BUNDLE = json.dumps({"dsseEnvelope": {"payload": base64.b64encode(json.dumps(STATEMENT).encode()).decode()}}).encode()


@pytest.fixture
def version(remote: OciRemote) -> RemoteVersion:
    """A version that was pushed."""
    push(remote, make_version())
    found = remote.find("iris", "v1")
    assert found is not None
    return found


def test_signatures_are_kept_beside_the_version(remote: OciRemote, version: RemoteVersion) -> None:
    """What was added comes back, each once; the version, its versions and aliases are as before."""
    assert remote.attestations(version) == []
    for bundle in (BUNDLE, b'{"messageSignature": {}}', BUNDLE, b"not json"):
        remote.add_attestation(version, bundle)
    assert sorted(remote.attestations(version)) == sorted([BUNDLE, b'{"messageSignature": {}}', b"not json"])
    assert list(remote.versions("iris")) == ["v1"]
    assert remote.aliases("iris") == {}
    again = remote.find("iris", "v1")
    assert again is not None
    assert again.key == version.key


def test_they_are_laid_out_as_cosign_lays_them_out(
    registry: Registry, remote: OciRemote, version: RemoteVersion, space: str
) -> None:
    """A manifest of the bundle's type names the version as its subject; where the registry lists none, a tag does."""
    remote.add_attestation(version, BUNDLE)

    def get(path: str) -> Any:
        request = urllib.request.Request(f"http://{registry.host}/v2/{space}/iris/{path}")
        request.add_header("Accept", f"{types.MANIFEST}, {types.INDEX}")
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    listed = get(f"manifests/{version.key.digest.replace(':', '-')}")
    assert listed["mediaType"] == types.INDEX
    [entry] = listed["manifests"]
    assert entry["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert entry["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://model_signing/signature/v1.0",
    }
    manifest = get(f"manifests/{entry['digest']}")
    assert manifest["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert manifest["subject"] == {
        "mediaType": types.MANIFEST, "digest": version.key.digest, "size": version.key.size,
    }  # fmt: skip
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    [layer] = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    with urllib.request.urlopen(f"http://{registry.host}/v2/{space}/iris/blobs/{layer['digest']}") as reply:
        assert reply.read() == BUNDLE


def test_a_registry_that_lists_referrers_needs_no_tag(
    registry: Registry, remote: OciRemote, version: RemoteVersion, open_remote: Callable[..., OciRemote], space: str
) -> None:
    """Where the registry says that it has understood the subject, its own list is used, page by page, and no tag written."""
    puts: list[str] = []
    entries: list[dict[str, Any]] = []

    def decide(request: Request) -> Fault | None:
        if request.method == "PUT" and "/manifests/" in request.path:
            puts.append(request.path.rpartition("/")[2])
            remote.add_attestation(version, BUNDLE)
            entries.append({"mediaType": types.MANIFEST, "digest": puts[-1], "size": 1, "artifactType": types.BUNDLE})
            return answer(201, OCI_Subject=version.key.digest)
        if "/referrers/" in request.path:
            if "page=2" in request.path:
                return answer(200, json.dumps({"manifests": entries}).encode())
            other = {
                "mediaType": types.MANIFEST,
                "digest": "sha256:" + "0" * 64,
                "size": 1,
                "artifactType": "text/sbom",
            }
            body = json.dumps({"manifests": [other]}).encode()
            return answer(200, body, Link=f'<{request.path.partition("?")[0]}?page=2>; rel="next"')
        return None

    with proxy(registry.port, decide) as front:
        other = open_remote(f"oci://{front.host}/{space}")
        other.add_attestation(version, BUNDLE)
        assert len(puts) == 1
        assert puts[0].startswith("sha256:")
        assert other.attestations(version) == [BUNDLE]


def test_a_signature_of_something_else_is_left_out(remote: OciRemote, version: RemoteVersion) -> None:
    """Whoever lists the signature of one version under another one gains nothing."""
    from tiffin_oci._manifest import Blob
    from tiffin_oci._manifests import get_manifest, put_manifest

    other = make_version({"a": b"b"}, "iris:v2")
    push(remote, other)
    second = remote.find("iris", "v2")
    assert second is not None
    remote.add_attestation(second, BUNDLE)
    client, repository = remote._client, second.key.repository
    listed = get_manifest(client, repository, second.key.tag)
    assert listed is not None
    put_manifest(client, repository, version.key.tag, Blob(types.INDEX, listed.text))
    assert remote.attestations(second) == [BUNDLE]
    assert remote.attestations(version) == []


def test_signatures_are_bounded(remote: OciRemote, version: RemoteVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too large is not kept, and of very many only some are read."""
    monkeypatch.setattr(_referrers, "MAX_ATTESTATION", 1000)
    with pytest.raises(TransferError, match="At most"):
        remote.add_attestation(version, b"x" * 1001)
    monkeypatch.setattr(_referrers, "MAX_BUNDLES", 3)
    for number in range(5):
        remote.add_attestation(version, b'{"n": %d}' % number)
    assert len(remote.attestations(version)) == 3


def test_the_list_of_signatures_keeps_what_others_add(
    registry: Registry, remote: OciRemote, open_remote: Callable[..., OciRemote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who add a signature at the same moment both find theirs in the list afterwards."""
    push(remote, make_version())
    version = remote.find("iris", "v1")
    assert version is not None
    other = open_remote(remote.url)
    plain: Any = _referrers.put_manifest

    def put(client: Any, repository: str, reference: str, manifest: Any) -> Any:
        headers = plain(client, repository, reference, manifest)
        if reference == version.key.tag:
            monkeypatch.setattr(_referrers, "put_manifest", plain)
            # Somebody who had read the list before us writes it after us.
            plain(
                client,
                repository,
                reference,
                manifest._replace(
                    data=b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
                ),
            )
            other.add_attestation(version, b'{"b": 2}')
        return headers

    monkeypatch.setattr(_referrers, "put_manifest", put)
    remote.add_attestation(version, b'{"a": 1}')
    assert sorted(remote.attestations(version)) == [b'{"a": 1}', b'{"b": 2}']


def test_what_several_add_at_once_is_all_there(
    remote: OciRemote, version: RemoteVersion, open_remote: Callable[..., OciRemote]
) -> None:
    """Nobody is told a success that is none: what was added comes back, although the registry keeps no list of its own."""
    together = threading.Barrier(8)

    def add(signer: int) -> list[bytes]:
        other = open_remote(remote.url)
        bundles = [b'{"signer": %d, "number": %d}' % (signer, number) for number in range(3)]
        together.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StoreWarning)  # that the list for other tools is written by others
            for bundle in bundles:
                other.add_attestation(version, bundle)
        return bundles

    with ThreadPoolExecutor(8) as pool:
        added = [bundle for bundles in pool.map(add, range(8)) for bundle in bundles]
    assert sorted(remote.attestations(version)) == sorted(added)
    assert list(remote.versions("iris")) == ["v1"]
    assert remote.aliases("iris") == {}


def test_what_is_on_no_list_has_room_beside_one_that_somebody_filled(
    remote: OciRemote, version: RemoteVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write the list cannot keep a signature from being seen that has its own tag."""
    monkeypatch.setattr(_referrers, "MAX_BUNDLES", 4)
    remote.add_attestation(version, BUNDLE)
    junk = [{"mediaType": types.MANIFEST, "digest": f"sha256:{number:064}", "size": 1} for number in range(9)]
    index = json.dumps({"schemaVersion": 2, "mediaType": types.INDEX, "manifests": junk}).encode()
    with proxy(
        int(remote._place.host.rpartition(":")[2]), lambda request: junk_for(request, version.key.tag, index)
    ) as front:
        other = connect(f"oci://{front.host}/{remote._place.path}", {})
        assert other.attestations(version) == [BUNDLE]
        other.close()


def test_what_is_damaged_or_too_large_keeps_nobody_from_pulling(remote: OciRemote, version: RemoteVersion) -> None:
    """Junk among the referrers is passed over, and the good signatures beside it are found."""
    from tiffin_oci._manifests import get_manifest

    remote.add_attestation(version, b"large" * (1 << 18))  # a signature of so few files has not so many bytes
    remote.add_attestation(version, BUNDLE)
    client, key = remote._client, version.key
    listed = get_manifest(client, key.repository, key.tag)
    assert listed is not None
    junk = [5, {}, {"digest": "sha256:x", "size": 1}, {"digest": "sha256:" + "0" * 64, "size": 1, "mediaType": 5}]
    junk.append({"mediaType": types.MANIFEST, "digest": key.digest, "size": key.size, "artifactType": types.BUNDLE})
    text = json.dumps({**listed.data, "manifests": [*junk, *listed.data["manifests"]]}).encode()
    with proxy(int(remote._place.host.rpartition(":")[2]), lambda request: junk_for(request, key.tag, text)) as front:
        other = connect(f"oci://{front.host}/{remote._place.path}", {})
        assert other.attestations(version) == [BUNDLE]
        other.close()


def junk_for(request: Request, tag: str, text: bytes) -> Fault | None:
    return answer(200, text, Content_Type=types.INDEX) if request.path.endswith(tag) else None

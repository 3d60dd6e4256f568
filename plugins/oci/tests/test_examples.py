"""Examples beside a version: an artifact of its own, under a tag that is no version."""

from __future__ import annotations

import json

from stepwise import make_version, push
from tiffin_oci import _media_types as types
from tiffin_oci._manifest import Blob
from tiffin_oci._manifests import put_blob, put_manifest
from tiffin_oci._remote import OciRemote


def test_examples_are_kept_beside_the_version_and_replaced(remote: OciRemote) -> None:
    """What was set last comes back; versions, aliases and signatures are as before."""
    push(remote, make_version())
    version = remote.find("iris", "v1")
    assert version is not None
    assert remote.examples(version) is None
    for data in (b"first", b"second", b"second"):
        remote.set_examples(version, data)
        assert remote.examples(version) == data
    assert list(remote.versions("iris")) == ["v1"]
    assert remote.aliases("iris") == {}
    assert remote.attestations(version) == []
    again = remote.find("iris", "v1")
    assert again is not None
    assert again.key == version.key


def test_what_is_none_or_too_large_keeps_nobody_from_pulling(remote: OciRemote) -> None:
    """Whoever may write there can put anything under the tag: it is left out."""
    push(remote, make_version())
    version = remote.find("iris", "v1")
    assert version is not None
    subject = version.key
    empty = Blob(types.EMPTY, b"{}")
    put_blob(remote._client, subject.repository, empty)
    for media_type, size in (("text/plain", 2), (types.EXAMPLES, 1 << 40), (types.EXAMPLES, 3)):
        layer = {**empty.descriptor, "mediaType": media_type, "size": size}
        text = {"schemaVersion": 2, "mediaType": types.MANIFEST, "config": empty.descriptor, "layers": [layer]}
        manifest = Blob(types.MANIFEST, json.dumps(text).encode())
        put_manifest(remote._client, subject.repository, f"{subject.tag}.examples", manifest)
        assert remote.examples(version) is None

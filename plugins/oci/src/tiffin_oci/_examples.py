"""Examples beside a version: one artifact that refers to its manifest, under a tag of its own.

The tag begins as those of signatures do, so it is taken for no version; it is moved when the examples are replaced.
"""

from __future__ import annotations

import json

from tiffin.exceptions import RemoteDeniedError, RemoteUnreachableError, TransferError
from tiffin.info import MAX_EXAMPLES
from tiffin_oci import _media_types as types
from tiffin_oci._client import Client
from tiffin_oci._manifest import Blob
from tiffin_oci._manifests import get_manifest, put_blob, put_manifest, read_blob
from tiffin_oci._reading import layers
from tiffin_oci._referrers import Subject

_TAG = ".examples"


def read_examples(client: Client, subject: Subject) -> bytes | None:
    """Return the examples beside a manifest; `None` where there are none, or what is there is none or is damaged."""
    try:
        manifest = get_manifest(client, subject.repository, subject.tag + _TAG)
        found = [] if manifest is None else layers(manifest)
        if len(found) != 1 or found[0].media_type != types.EXAMPLES or found[0].size > MAX_EXAMPLES:
            return None
        what = f"The file of examples of {subject.repository}@{subject.digest}"
        return read_blob(client, subject.repository, found[0].sha256, found[0].size, MAX_EXAMPLES, what)
    except TransferError as error:
        # Whoever may write there could else keep everybody from pulling.
        if isinstance(error, RemoteUnreachableError | RemoteDeniedError):
            raise
        return None


def put_examples(client: Client, subject: Subject, data: bytes) -> None:
    """Let a file of examples refer to a manifest, in place of the one that does."""
    blob, empty = Blob(types.EXAMPLES, data), Blob(types.EMPTY, b"{}")
    artifact = {
        "schemaVersion": 2,
        "mediaType": types.MANIFEST,
        "artifactType": types.EXAMPLES,
        "config": empty.descriptor,
        "layers": [{**blob.descriptor, "annotations": {types.TITLE: "model.examples"}}],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
    }
    for part in (blob, empty):
        put_blob(client, subject.repository, part)
    manifest = Blob(types.MANIFEST, json.dumps(artifact, separators=(",", ":"), sort_keys=True).encode())
    put_manifest(client, subject.repository, subject.tag + _TAG, manifest)

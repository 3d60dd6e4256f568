"""Signatures beside a version: artifacts that refer to its manifest (OCI 1.1 referrers), as cosign lays out bundles.

Where a registry does not know referrers, an index under the tag `sha256-<hex>` lists them (the referrers tag schema).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tiffin.exceptions import RemoteDeniedError, RemoteUnreachableError, TransferError
from tiffin.info import MAX_ATTESTATION
from tiffin_oci import _media_types as types
from tiffin_oci._blobs import pulling
from tiffin_oci._client import Client
from tiffin_oci._manifest import Blob
from tiffin_oci._manifests import get_manifest, is_index, pages, put_blob, put_manifest, read_blob
from tiffin_oci._reading import Manifest, descriptor, layers

MAX_TOTAL = 2 * MAX_ATTESTATION
"""Bytes of all bundles that are read of one version."""
MAX_BUNDLES = 32
"""Bundles that are read of one version."""
_ROUNDS = 8
"""Times that the list under the tag is written, where others write it at the same moment."""


class Subject(NamedTuple):
    """The manifest of a version, as what refers to it names it."""

    repository: str
    digest: str
    size: int
    media_type: str

    @property
    def tag(self) -> str:
        """The tag of the list of its referrers, where the registry keeps none itself."""
        return self.digest.replace(":", "-")


def read_bundles(client: Client, subject: Subject) -> list[bytes]:
    """Return the Sigstore bundles that refer to a manifest.

    What is no bundle, is damaged or is too large is left out: who may write there could else keep everybody from pulling.
    """
    found: list[bytes] = []
    room = MAX_TOTAL
    for entry in _referrers(client, subject)[0]:
        # Some registries list no artifact types: then the manifest says what it is.
        if not str(entry.get("artifactType") or types.BUNDLES).startswith(types.BUNDLES):
            continue
        if len(found) == MAX_BUNDLES:
            break
        try:
            listed = descriptor(entry, f"A referrer of {subject.repository} on {client.url}", client.url)
            manifest = get_manifest(client, subject.repository, f"sha256:{listed.sha256}")
            bundle = None if manifest is None else _bundle(client, subject, manifest, min(room, MAX_ATTESTATION))
        except TransferError as error:
            if isinstance(error, RemoteUnreachableError | RemoteDeniedError):
                raise
            continue
        if bundle is not None:
            room -= len(bundle)
            found.append(bundle)
    return found


def add_bundle(client: Client, subject: Subject, bundle: bytes) -> None:
    """Let a Sigstore bundle refer to a manifest; one that does already is not added again.

    Raises:
        TransferError: it is too large, or the list of referrers cannot be written.
    """
    if len(bundle) > MAX_ATTESTATION:
        raise TransferError(
            f"A signature has {len(bundle)} bytes", why=f"At most {MAX_ATTESTATION} are kept", url=client.url
        )
    blob, empty = Blob(types.BUNDLE, bundle), Blob(types.EMPTY, b"{}")
    title = {types.TITLE: f"{blob.digest.replace(':', '-')}.sigstore.json"}
    annotations = _annotations(bundle)
    # No time and nothing else of the moment: the same signature makes the same artifact, so that it is there once.
    artifact = {
        "schemaVersion": 2,
        "mediaType": types.MANIFEST,
        "artifactType": types.BUNDLE,
        "config": empty.descriptor,
        "layers": [{**blob.descriptor, "annotations": title}],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
        "annotations": annotations,
    }
    manifest = Blob(types.MANIFEST, json.dumps(artifact, separators=(",", ":"), sort_keys=True).encode())
    for part in (blob, empty):
        put_blob(client, subject.repository, part)
    headers = put_manifest(client, subject.repository, manifest.digest, manifest)
    # A registry that lists referrers by itself says so here.
    if headers.get("OCI-Subject") is None and not _referrers(client, subject)[1]:
        entry = {**manifest.descriptor, "artifactType": types.BUNDLE, "annotations": annotations}
        _list(client, subject, entry)


def _referrers(client: Client, subject: Subject) -> tuple[list[Mapping[str, Any]], bool]:
    """Return what refers to a manifest, and whether the registry lists referrers by itself."""
    path = f"/v2/{subject.repository}/referrers/{subject.digest}"
    found: list[Mapping[str, Any]] = []
    known = False
    for page in pages(client, path, f"list what refers to {subject.digest}", pulling(subject.repository)):
        known = True
        found += _entries(page)
    if not known:
        listed = get_manifest(client, subject.repository, subject.tag)
        found = _entries(listed.data) if listed is not None and is_index(listed) else []
    return found, known


def _list(client: Client, subject: Subject, entry: Mapping[str, Any]) -> None:
    """Add an entry to the list under the tag: read, change, write, and look whether it stayed."""
    for _ in range(_ROUNDS):
        listed = get_manifest(client, subject.repository, subject.tag, push=True)
        entries = _entries(listed.data) if listed is not None and is_index(listed) else []
        if any(other.get("digest") == entry["digest"] for other in entries):
            return
        index = {"schemaVersion": 2, "mediaType": types.INDEX, "manifests": [*entries, entry]}
        put_manifest(client, subject.repository, subject.tag, Blob(types.INDEX, json.dumps(index).encode()))
    listed = get_manifest(client, subject.repository, subject.tag, push=True)
    if listed is None or all(other.get("digest") != entry["digest"] for other in _entries(listed.data)):
        raise RemoteUnreachableError(
            f"The list of signatures of {subject.digest} in {subject.repository} on {client.url} is written by others "
            f"all the time: {_ROUNDS} tries failed",
            fix="Try again",
            url=client.url,
        )


def _entries(index: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = index.get("manifests")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _bundle(client: Client, subject: Subject, manifest: Manifest, limit: int) -> bytes | None:
    pointed = manifest.data.get("subject")
    if not isinstance(pointed, Mapping) or pointed.get("digest") != subject.digest:
        return None  # it is about something else
    found = layers(manifest)
    if len(found) != 1 or not found[0].media_type.startswith(types.BUNDLES):
        return None
    what = f"A signature of {subject.repository}@{subject.digest}"
    return read_blob(client, subject.repository, found[0].sha256, found[0].size, limit, what)


def _annotations(bundle: bytes) -> dict[str, str]:
    """Return what tells one bundle from another in a list, as cosign's bundle specification has it."""
    from base64 import b64decode

    try:
        data = json.loads(bundle)
        if "messageSignature" in data:
            return {"dev.sigstore.bundle.content": "message-signature"}
        statement = json.loads(b64decode(data["dsseEnvelope"]["payload"]))
        predicate = str(statement["predicateType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"dev.sigstore.bundle.content": "dsse-envelope"}
    return {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate}

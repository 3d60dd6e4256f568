"""Signatures beside a version: artifacts that refer to its manifest (OCI 1.1 referrers), as cosign lays out bundles.

Where a registry does not know referrers, an index under the tag `sha256-<hex>` lists them (the referrers tag schema). Of
several who write that index at once, some are lost, since no registry compares before it writes. So each artifact has a tag
of its own beside, which begins like that of the index, and which nobody else writes.
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tiffin.exceptions import RemoteDeniedError, RemoteUnreachableError, StoreWarning, TransferError
from tiffin.info import MAX_ATTESTATION
from tiffin_oci import _media_types as types
from tiffin_oci._blobs import pulling
from tiffin_oci._client import Client
from tiffin_oci._manifest import Blob
from tiffin_oci._manifests import get_manifest, is_index, pages, put_blob, put_manifest, read_blob, tags
from tiffin_oci._reading import Layer, Manifest, layers
from tiffin_oci._reference import is_digest

MAX_TOTAL = 2 * MAX_ATTESTATION
"""Bytes of all bundles that are read of one version."""
MAX_BUNDLES = 256
"""Artifacts that are looked at of one version."""
_ROUNDS = 8
"""Times that the list under the tag is written, where others write it at the same moment."""
_OWN = ".a-"
"""Between the tag of the list and the beginning of an artifact's digest, in the tag that is the artifact's own."""
_OWN_DIGITS = 32


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

    def tag_of(self, digest: str) -> str:
        """The tag of one artifact that refers to it."""
        return f"{self.tag}{_OWN}{digest.removeprefix('sha256:')[:_OWN_DIGITS]}"


def read_bundles(client: Client, subject: Subject, most: int = MAX_ATTESTATION) -> list[bytes]:
    """Return the Sigstore bundles that refer to a manifest.

    What is no bundle, is damaged or is too large is left out: who may write there could else keep everybody from pulling.

    Args:
        client: the registry.
        subject: the manifest.
        most: bytes that a bundle may have.
    """
    listed: list[Layer] = []
    for reference in _artifacts(client, subject)[:MAX_BUNDLES]:
        with _passing_over():
            manifest = get_manifest(client, subject.repository, reference)
            layer = None if manifest is None else _layer(subject, manifest)
            if layer is not None and layer.size <= most:
                listed.append(layer)
    found: list[bytes] = []
    room = MAX_TOTAL
    # The smallest first, so that what somebody put there to fill the room comes last.
    for size, sha256 in sorted({(layer.size, layer.sha256) for layer in listed}):
        room -= size
        if room < 0:
            break
        with _passing_over():
            what = f"A signature of {subject.repository}@{subject.digest}"
            found.append(read_blob(client, subject.repository, sha256, size, most, what))
    return found


@contextlib.contextmanager
def _passing_over() -> Iterator[None]:
    """Pass over what is damaged; not, that the registry cannot be asked."""
    try:
        yield
    except TransferError as error:
        if isinstance(error, RemoteUnreachableError | RemoteDeniedError):
            raise


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
    if headers.get("OCI-Subject") is None and _referrers(client, subject) is None:
        put_manifest(client, subject.repository, subject.tag_of(manifest.digest), manifest)
        entry = {**manifest.descriptor, "artifactType": types.BUNDLE, "annotations": annotations}
        if not _list(client, subject, entry):
            warnings.warn(
                f"Other tools may not see a signature of {subject.repository}@{subject.digest} on {client.url}, as Tiffin "
                f"does: the list that they read is written by others all the time, and {_ROUNDS} tries failed. To have it "
                "listed, push again",
                StoreWarning,
                stacklevel=4,
            )


def _artifacts(client: Client, subject: Subject) -> list[str]:
    """Return the references of what may be a bundle that refers to a manifest."""
    entries = _referrers(client, subject)
    own: list[str] = []
    if entries is None:
        entries = _listed(client, subject)
        own = sorted(tag for tag in tags(client, subject.repository) if tag.startswith(subject.tag + _OWN))
    digests: list[str] = []
    for entry in entries:
        digest = entry.get("digest")
        # Some registries list no artifact types: then the manifest says what it is.
        if is_digest(digest) and str(entry.get("artifactType") or types.BUNDLES).startswith(types.BUNDLES):
            digests.append(str(digest))
    known = {subject.tag_of(digest) for digest in digests}
    # Half of the places at least is each one's, so that no list keeps what is not on it from being seen.
    rest = [tag for tag in own if tag not in known]
    return digests[: max(MAX_BUNDLES // 2, MAX_BUNDLES - len(rest))] + rest


def _referrers(client: Client, subject: Subject) -> list[Mapping[str, Any]] | None:
    """Return what refers to a manifest, as the registry lists it by itself; `None` where it does not."""
    path = f"/v2/{subject.repository}/referrers/{subject.digest}"
    found: list[Mapping[str, Any]] | None = None
    for page in pages(client, path, f"list what refers to {subject.digest}", pulling(subject.repository)):
        found = (found or []) + _entries(page)
    return found


def _listed(client: Client, subject: Subject, *, push: bool = False) -> list[Mapping[str, Any]]:
    """Return what the list under the tag has."""
    listed = get_manifest(client, subject.repository, subject.tag, push=push)
    return _entries(listed.data) if listed is not None and is_index(listed) else []


def _list(client: Client, subject: Subject, entry: Mapping[str, Any]) -> bool:
    """Add an entry to the list under the tag: read, change, write, and tell whether it was seen there."""
    for _ in range(_ROUNDS):
        entries = _listed(client, subject, push=True)
        if any(other.get("digest") == entry["digest"] for other in entries):
            return True
        index = {"schemaVersion": 2, "mediaType": types.INDEX, "manifests": [*entries, entry]}
        put_manifest(client, subject.repository, subject.tag, Blob(types.INDEX, json.dumps(index).encode()))
    return any(other.get("digest") == entry["digest"] for other in _listed(client, subject, push=True))


def _entries(index: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = index.get("manifests")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _layer(subject: Subject, manifest: Manifest) -> Layer | None:
    """Return the layer of an artifact that is a bundle about a subject; `None` of another."""
    pointed = manifest.data.get("subject")
    if not isinstance(pointed, Mapping) or pointed.get("digest") != subject.digest:
        return None  # it is about something else
    found = layers(manifest)
    return found[0] if len(found) == 1 and found[0].media_type.startswith(types.BUNDLES) else None


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

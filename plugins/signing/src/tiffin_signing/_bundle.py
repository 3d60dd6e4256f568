"""The bundle that a signature is kept and sent in: Sigstore's bundle format 0.3, with a DSSE envelope.

Reading a bundle proves nothing. What is in it is measured, and compared with a model's record; who made it is told by
`verify`, with a key that comes from elsewhere.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.exceptions import BadSignatureError
from tiffin.info import MAX_ATTESTATION, max_attestation_size
from tiffin_signing._statement import Statement, read_statement
from tiffin_signing._strict import field, malformed, only, read_base64, read_json

if TYPE_CHECKING:
    from tiffin.info import ModelInfo

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MAX_SIGNATURE = 1024
_MAX_HINT = 1024
_KINDS = {"publicKey": "key", "x509CertificateChain": "certificates", "certificate": "certificate"}


@attrs.frozen
class Bundle:
    """One signature, read but not verified.

    Attributes:
        statement: what was signed.
        payload: its bytes, as they were signed.
        signature: the signature of the payload and its type.
        kind: by what it says that it can be verified: "key", "certificates" or "certificate".
        hint: the id of its key, as it says; empty where it says none.
    """

    statement: Statement
    payload: bytes
    signature: bytes
    kind: str
    hint: str

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is of: DSSE's pre-authentication encoding."""
        return encode_signed(self.payload)


def encode_signed(payload: bytes) -> bytes:
    """Return the bytes that are signed for a payload: DSSE's pre-authentication encoding, version 1."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def write_bundle(payload: bytes, signature: bytes, hint: str) -> bytes:
    """Return a bundle.

    Args:
        payload: the statement that was signed.
        signature: the signature.
        hint: the id of its key.
    """
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode() + b"\n"


def read_bundle(data: bytes, path: str, limit: int = MAX_ATTESTATION) -> Bundle:
    """Return what a bundle holds. Proves nothing: see `verify`.

    Args:
        data: the bundle.
        path: where it is from, for errors.
        limit: bytes that it may have.

    Raises:
        BadSignatureError: it is not a bundle of one statement about a model.
    """
    if len(data) > limit:
        raise malformed(f"it has more than {limit} bytes", path)
    found = read_json(data, path)
    if found.get("mediaType") != MEDIA_TYPE:
        raise malformed(f"its media type is not {MEDIA_TYPE!r}", path)
    kind, hint = _material(field(found, "verificationMaterial", dict, path), path)
    envelope = field(found, "dsseEnvelope", dict, path)
    if envelope.get("payloadType") != PAYLOAD_TYPE:
        raise malformed(f"its payload is not of the type {PAYLOAD_TYPE!r}", path)
    made = only(field(envelope, "signatures", list, path), "signatures", path)
    signature = read_base64(field(made, "sig", str, path), "sig", path)
    if not 0 < len(signature) <= _MAX_SIGNATURE:
        raise malformed(f"its signature has {len(signature)} bytes", path)
    payload = read_base64(field(envelope, "payload", str, path), "payload", path)
    return Bundle(read_statement(payload, path), payload, signature, kind, hint)


def _material(material: dict[str, Any], path: str) -> tuple[str, str]:
    kinds = [kind for kind in _KINDS if material.get(kind) is not None]
    if len(kinds) != 1:
        raise malformed("it does not say by what one thing it can be verified", path)
    found = field(material, kinds[0], dict, path)
    hint = found.get("hint") or ""
    if not isinstance(hint, str) or len(hint) > _MAX_HINT or not hint.isprintable():
        raise malformed("its field 'hint' is not as it must be", path)
    if kinds[0] == "x509CertificateChain" and not field(found, "certificates", list, path):
        raise malformed("its field 'certificates' is empty", path)
    # A certificate of Sigstore's holds for some minutes, so only a log tells that it held when the signature was made.
    if kinds[0] == "certificate" and not field(material, "tlogEntries", list, path):
        raise malformed("its field 'tlogEntries' is empty", path)
    return _KINDS[kinds[0]], hint if kinds[0] == "publicKey" else ""


def check_fits(info: ModelInfo, data: bytes, path: str) -> Bundle:
    """Return what a bundle holds, which must be about a model's content. Proves nothing: see `verify`.

    Args:
        info: the model's record.
        data: the bundle.
        path: where it is from, for errors.

    Raises:
        BadSignatureError: it is malformed, or is about other content.
    """
    bundle = read_bundle(data, path, max_attestation_size(info))
    if difference := bundle.statement.difference(info):
        raise BadSignatureError(
            f"{path} is not a signature of model '{info.tag}': {difference}",
            why="It belongs to another model, or the model was changed after it was signed",
            fix="Ask whoever signed it for the model and its signature",
            path=path,
        )
    return bundle

"""Verifying: what a signature proves of a model, with keys that come from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiffin.exceptions import BadSignatureError, RecordError
from tiffin.info import RECORD_NAME, max_attestation_size, parse_record
from tiffin.plugins import Voucher
from tiffin_signing._bundle import Bundle, read_bundle
from tiffin_signing._keys import PublicKey

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


def verify(bundles: Iterable[bytes], info: ModelInfo, folder: Path, keys: Sequence[PublicKey]) -> list[Voucher]:
    """Return what signatures prove of a model's content, good ones first. Reads no file but model.yaml.

    What is proven is that the record lists the files that were signed; that the files are those is for others to see to.

    Args:
        bundles: the signatures.
        info: the model's record.
        folder: the version's folder.
        keys: the keys that are believed.
    """
    return sorted((_check(data, info, folder, keys) for data in bundles), key=lambda check: _ORDER.index(check.result))


_ORDER = ("good", "good for files", "bad", "other key", "unverified", "other content", "malformed")


def _check(data: bytes, info: ModelInfo, folder: Path, keys: Sequence[PublicKey]) -> Voucher:
    try:
        bundle = read_bundle(data, "It", max_attestation_size(info))
    except BadSignatureError as error:
        return Voucher("malformed", problem=error.what)
    name = bundle.statement.subject
    if difference := bundle.statement.difference(info):
        return Voucher("other content", bundle.hint, "", name, f"I{difference[1:]}")
    key = _maker(bundle, keys)
    if key is None:
        if any(bundle.hint == key.id for key in keys):
            return Voucher("bad", bundle.hint, "", name, "The key that it names has not made it")
        if not keys:
            return Voucher("unverified", bundle.hint, "", name, "There is no key to verify it with")
        return Voucher("other key", bundle.hint, "", name, _unknown(bundle))
    if _covers(bundle, info, folder):
        return Voucher("good", key.id, key.path, name)
    return Voucher("good for files", key.id, key.path, name, "It does not cover framework, options and signatures")


def _maker(bundle: Bundle, keys: Sequence[PublicKey]) -> PublicKey | None:
    signed = bundle.signed
    # A signature that names its key is that key's or nobody's; others may be anybody's.
    named = [key for key in keys if not bundle.hint or bundle.hint == key.id]
    return next((key for key in named if key.has_made(bundle.signature, signed)), None)


def _unknown(bundle: Bundle) -> str:
    if bundle.kind == "key":
        return "It was made with another key"
    return "It is to be verified by a certificate, which is not done here, and no known key has made it"


def _covers(bundle: Bundle, info: ModelInfo, folder: Path) -> bool:
    if bundle.statement.content_digest:
        return True  # and it is this one: see Statement.difference
    if RECORD_NAME not in bundle.statement.files:
        return False
    try:
        record = (folder / RECORD_NAME).read_bytes()
        said = parse_record(record, str(folder / RECORD_NAME))
    except (OSError, RecordError):
        return False
    return bundle.statement.is_of_record(record) and said.compute_digest() == info.compute_digest()

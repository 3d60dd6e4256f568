"""Making a signature of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiffin_signing._bundle import encode_signed, write_bundle
from tiffin_signing._statement import make_statement

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin_signing._keys import PrivateKey


def make_signature(info: ModelInfo, key: PrivateKey) -> bytes:
    """Return a signature of a model's content, as a bundle, from the digests in its record. Reads none of its files.

    Args:
        info: the record, which is as Tiffin wrote it.
        key: the key to sign with.
    """
    payload = make_statement(info)
    return write_bundle(payload, key.sign(encode_signed(payload)), key.public.id)

"""Signing: signatures of stored models, in the format of OpenSSF model signing."""

from __future__ import annotations

from tiffin.signing._bundle import MAX_BUNDLE, Bundle, check_fits, max_size, read_bundle
from tiffin.signing._keys import PrivateKey, PublicKey, needs_password, read_private_key, read_public_key
from tiffin.signing._names import MAX_SIGNATURES, SIGNATURE_NAMES, signature_names
from tiffin.signing._sign import make_signature
from tiffin.signing._statement import Statement
from tiffin.signing._verify import SignatureCheck, verify

__all__ = [
    "MAX_BUNDLE",
    "MAX_SIGNATURES",
    "SIGNATURE_NAMES",
    "Bundle",
    "PrivateKey",
    "PublicKey",
    "SignatureCheck",
    "Statement",
    "check_fits",
    "make_signature",
    "max_size",
    "needs_password",
    "read_bundle",
    "read_private_key",
    "read_public_key",
    "signature_names",
    "verify",
]

"""Signing: signatures of stored models, in the format of OpenSSF model signing."""

from __future__ import annotations

from tiffin.signing._bundle import MAX_BUNDLE, Bundle, check_fits, max_size, read_bundle
from tiffin.signing._names import MAX_SIGNATURES, SIGNATURE_NAMES, signature_names
from tiffin.signing._statement import Statement

__all__ = [
    "MAX_BUNDLE",
    "MAX_SIGNATURES",
    "SIGNATURE_NAMES",
    "Bundle",
    "Statement",
    "check_fits",
    "max_size",
    "read_bundle",
    "signature_names",
]

"""The standard's own samples: valid bundles are read and hold, invalid ones are refused."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tiffin.exceptions import BadSignatureError
from tiffin_signing import PublicKey, read_bundle


def vectors() -> dict[str, Path]:
    """Return the samples of OpenSSF model signing 1.0: those of $STANDARDS_DATA, or of a folder beside the checkout."""
    named = os.environ.get("STANDARDS_DATA")
    above = Path(__file__).resolve().parents[3:6]
    folders = [Path(named)] if named else [found for folder in above for found in folder.glob("*/standards-data")]
    found = [path for folder in folders for path in folder.glob("oms-1.0/test-vectors/v1.0/*/*.json")]
    return {f"{path.parent.name}/{path.name}": path for path in found}


VECTORS = vectors()
NONE = pytest.param("", marks=pytest.mark.skip(reason="the samples of the standard are not here: set STANDARDS_DATA"))


@pytest.mark.parametrize("name", sorted(name for name in VECTORS if name.startswith("valid/")) or [NONE])
def test_a_valid_bundle_is_read_and_holds(name: str) -> None:
    """The key is taken from its certificate where it brings one; no certificate counts here, but what is signed does."""
    text = VECTORS[name].read_bytes()
    bundle = read_bundle(text, name)
    assert set(bundle.statement.files) == {"signme-1", "signme-2"}
    material: dict[str, Any] = json.loads(text)["verificationMaterial"]
    chain = material.get("x509CertificateChain", {}).get("certificates", [])
    if certificate := material.get("certificate") or (chain and chain[0]):
        x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed; make setup brings it")
        found = x509.load_der_x509_certificate(base64.b64decode(certificate["rawBytes"]))
        key = PublicKey("", "", found.public_key())
        assert key.has_made(bundle.signature, bundle.signed)
        assert not key.has_made(bundle.signature, bundle.payload)
    else:
        assert len(bundle.hint) == 64


@pytest.mark.parametrize("name", sorted(name for name in VECTORS if name.startswith("invalid")) or [NONE])
def test_an_invalid_bundle_is_refused(name: str) -> None:
    """Each with what is wrong, before any key is asked."""
    with pytest.raises(BadSignatureError, match="is not a signature of a model"):
        read_bundle(VECTORS[name].read_bytes(), name)

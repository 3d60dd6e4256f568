"""Keys: elliptic-curve keys in PEM files, as `openssl` makes them. The only module here that imports `cryptography`."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.exceptions import SigningError, SigningNotInstalledError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

_MAX_PEM = 64 << 10
_CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
"""Curve → hash. The key alone decides how a signature is made; nothing that comes with a signature does."""
_NEW_KEY = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -out key.pem"


_ONE_KEY = "Give a file that holds one key in PEM form"
_BEGIN = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?(?:PUBLIC|PRIVATE) KEY-----")


@attrs.frozen(eq=False)
class PublicKey:
    """A key that verifies signatures.

    Attributes:
        id: sha256 of the key in PEM form, 64 hexadecimal digits: what `sha256sum key.pub` prints of the file that openssl
            writes, and what signatures name it by.
        path: where it was read from.
    """

    id: str
    path: str
    _key: EllipticCurvePublicKey

    def has_made(self, signature: bytes, signed: bytes) -> bool:
        """Tell whether a signature was made with the private half of this key.

        Args:
            signature: an ECDSA signature, in DER.
            signed: the bytes that it is to be of.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, signed, _algorithm(self._key))
        except InvalidSignature:
            return False
        return True


@attrs.frozen(eq=False)
class PrivateKey:
    """A key that makes signatures.

    Attributes:
        public: its public half.
    """

    public: PublicKey
    _key: EllipticCurvePrivateKey = attrs.field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """Return a signature of `data`: ECDSA, in DER."""
        return self._key.sign(data, _algorithm(self._key))


def read_public_key(path: str | os.PathLike[str]) -> PublicKey:
    """Read a public key from a PEM file.

    Raises:
        SigningError: there is none, or it is of a kind that is not known here.
        SigningNotInstalledError: the package `cryptography` does not import.
    """
    pem = _read(path)
    _need()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY-----" in pem:
        raise _error(path, "it is a private key", "Give the public half: openssl pkey -in KEY -pubout -out KEY.pub")
    if b"BEGIN CERTIFICATE-----" in pem:
        raise _error(path, "it is a certificate", "Give the key in it: openssl x509 -in CERT -noout -pubkey > KEY.pub")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _error(path, "it is not a public key in PEM form", "Make it with: openssl pkey -pubout") from error
    return _public(key, path)


def read_private_key(path: str | os.PathLike[str], password: str | bytes | None = None) -> PrivateKey:
    """Read a private key from a PEM file.

    Args:
        path: the file.
        password: what it is encrypted with, if it is.

    Raises:
        SigningError: there is none, the password is missing or wrong, or it is of a kind that is not known here.
        SigningNotInstalledError: the package `cryptography` does not import.
    """
    pem = _read(path)
    _need()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    given = password.encode() if isinstance(password, str) else password
    encrypted = is_encrypted(pem)
    if encrypted and not given:
        fix = "Set TIFFIN_KEY_PASSWORD, or give it (--password-file, password=…)"
        raise _error(path, "it is protected by a password, and none was given", fix)
    try:
        key: Any = load_pem_private_key(pem, given if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise _error(path, "the password is wrong, or the file is damaged", "Try again") from error
        raise _error(path, "it is not a private key in PEM form", f"Make one with: {_NEW_KEY}") from error
    if not hasattr(key, "public_key"):
        raise _error(path, "it is not a private key", f"Make one with: {_NEW_KEY}")
    return PrivateKey(_public(key.public_key(), path), key)


def is_encrypted(pem: bytes) -> bool:
    """Tell whether a private key in PEM form is protected by a password."""
    return b"BEGIN ENCRYPTED PRIVATE KEY-----" in pem or b"Proc-Type: 4,ENCRYPTED" in pem


def needs_password(path: str | os.PathLike[str]) -> bool:
    """Tell whether the private key in a file is protected by a password.

    Raises:
        SigningError: there is no such file.
    """
    return is_encrypted(_read(path))


def _public(key: Any, path: str | os.PathLike[str]) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        kind = key.curve.name if isinstance(key, EllipticCurvePublicKey) else _kind(key)
        raise _error(path, f"it is of the kind {kind}; known are P-256, P-384 and P-521", f"Make one with: {_NEW_KEY}")
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(hashlib.sha256(pem).hexdigest(), os.fspath(path), key)


def _kind(key: Any) -> str:
    # A private key is looked at by its public half, whose class would be named to somebody who gave the other.
    return type(key).__name__.strip("_").removesuffix("PublicKey")


def _algorithm(key: EllipticCurvePublicKey | EllipticCurvePrivateKey) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    return ECDSA(getattr(hashes, _CURVES[key.curve.name])())


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            pem = file.read(_MAX_PEM + 1)
    except FileNotFoundError as error:
        raise _error(path, error.strerror or str(error), "Look at the path") from error
    except OSError as error:
        raise _error(path, error.strerror or str(error), "Give a file that you can read") from error
    if len(pem) > _MAX_PEM:
        raise _error(path, f"it has more than {_MAX_PEM} bytes", _ONE_KEY)
    if (count := len(_BEGIN.findall(pem))) > 1:  # of which only the first would count, and nobody would be told
        raise _error(path, f"it holds {count} keys", _ONE_KEY)
    return pem


def _need() -> None:
    try:
        import cryptography.hazmat.primitives.serialization  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise SigningNotInstalledError(
            "Signatures can be neither made nor verified: the package 'cryptography' is missing, or does not import",
            why=str(error),
            fix="Try: pip install --upgrade tiffin-signing cryptography",
            path="",
        ) from error


def _error(path: str | os.PathLike[str], why: str, fix: str) -> SigningError:
    return SigningError(f"The key {os.fspath(path)} cannot be used: {why}", fix=fix, path=os.fspath(path))

"""Keys: which are taken, and what is said of those that are not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, models
from tiffin.exceptions import BadSignatureError, SigningError, SigningNotInstalledError
from tiffin_signing import read_private_key, read_public_key


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1"])
def test_a_model_is_signed_and_verified_with_each_curve(curve: str, model: Model, new_key: Any) -> None:
    """P-256, P-384 and P-521, as the reference implementation takes."""
    key = new_key(curve=curve)
    models.sign("team-a", key.private)
    [check] = models.verify_signature("team-a", key.public)
    assert (check.result, check.signed_as) == ("good", "team-a:1")
    assert check.key == read_public_key(key.public).id


@pytest.mark.parametrize("curve", ["SECP256K1", "BrainpoolP256R1", "SECP224R1"])
def test_other_curves_are_refused_by_name(curve: str, new_key: Any) -> None:
    """The error names the curve, those that are taken, and a command that makes one."""
    key = new_key(curve=curve)
    for read, path in ((read_private_key, key.private), (read_public_key, key.public)):
        with pytest.raises(SigningError, match=r"P-256, P-384 and P-521. .*openssl genpkey") as caught:
            read(path)
        assert caught.value.path == str(path)


def test_other_kinds_of_keys_are_refused(new_key: Any, tmp_path: Path) -> None:
    """RSA and Ed25519 are none of the format's."""
    new_key()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    for kind, made in (
        ("Ed25519", ed25519.Ed25519PrivateKey.generate()),
        ("RSA", rsa.generate_private_key(65537, 2048)),
    ):
        path = tmp_path / "other.pem"
        path.write_bytes(
            made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(SigningError, match=f"of the kind {kind};"):
            read_private_key(path)


def test_a_password_is_needed_and_must_be_right(model: Model, new_key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given, or in the environment; it is in no message."""
    key = new_key(password="correct horse")
    with pytest.raises(SigningError, match="protected by a password, and none was given"):
        models.sign("team-a", key.private)
    with pytest.raises(SigningError, match="the password is wrong") as caught:
        models.sign("team-a", key.private, password="wrong pony")
    assert "pony" not in str(caught.value)
    signature = models.sign("team-a", key.private, password="correct horse")
    monkeypatch.setenv("TIFFIN_KEY_PASSWORD", "correct horse")
    assert models.sign("team-a", key.private) == signature


def test_a_password_that_a_key_does_not_need_does_no_harm(
    model: Model, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One setting of the environment serves several keys."""
    monkeypatch.setenv("TIFFIN_KEY_PASSWORD", "secret")
    models.sign("team-a", key.private)
    assert models.verify_signature("team-a", key.public)[0].result == "good"


def test_the_wrong_half_of_a_pair_is_told_as_such(key: Any) -> None:
    """With the command that makes the other half."""
    with pytest.raises(SigningError, match=r"it is a private key\. Give the public half: openssl pkey"):
        read_public_key(key.private)
    with pytest.raises(SigningError, match="not a private key"):
        read_private_key(key.public)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_told_as_such(content: bytes, key: Any, tmp_path: Path) -> None:
    """Whatever it holds, and how large it is."""
    path = tmp_path / "no.pem"
    path.write_bytes(content)
    for read in (read_public_key, read_private_key):
        with pytest.raises(SigningError, match=r"no\.pem cannot be used"):
            read(path)
    path.write_bytes(b"x" * 100_000)
    with pytest.raises(SigningError, match="more than"):
        read_public_key(path)
    with pytest.raises(SigningError, match="No such file"):
        read_public_key(tmp_path / "missing.pub")


def test_a_certificate_is_no_key_and_the_error_says_how_to_get_it(key: Any, tmp_path: Path) -> None:
    """Openssl takes the key out of it."""
    path = tmp_path / "certificate.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    with pytest.raises(SigningError, match=r"it is a certificate\. Give the key in it: openssl x509"):
        read_public_key(path)


def test_a_file_of_several_keys_is_refused_since_only_one_would_count(
    new_key: Callable[..., Any], tmp_path: Path
) -> None:
    """Whoever trusts such a file would believe that both are trusted; so with private keys."""
    one, two = new_key("one"), new_key("two")
    both = tmp_path / "both.pem"
    for read, first, second in (
        (read_public_key, one.public, two.public),
        (read_private_key, one.private, two.private),
        (read_private_key, one.private, one.public),
    ):
        both.write_bytes(first.read_bytes() + second.read_bytes())
        with pytest.raises(
            SigningError, match=r"both\.pem cannot be used: it holds 2 keys\. Give a file that holds one key"
        ):
            read(both)


def test_a_key_is_named_by_what_sha256sum_prints_of_its_file(key: Any) -> None:
    """So people can compare it by other means."""
    import hashlib

    assert read_public_key(key.public).id == hashlib.sha256(key.public.read_bytes()).hexdigest()
    assert "PRIVATE" not in repr(read_private_key(key.private))


def test_without_cryptography_the_error_names_it(
    store_home: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything but making and verifying works without it; a model with a signature still comes in and goes out."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.serialization", None)
    with tiffin.models.create("raw:1") as new:
        (new.path / "file").write_text("x")
    for call in (
        lambda: models.sign("raw", samples / "p256.pub"),
        lambda: models.verify_signature("raw", samples / "p256.pub"),
    ):
        with pytest.raises(SigningNotInstalledError, match="pip install --upgrade tiffin-signing cryptography"):
            call()
    assert models.inspect("raw").signatures == ()


def test_a_signature_of_one_key_is_not_anothers(model: Model, new_key: Callable[..., Any]) -> None:
    """Also where it says that it is."""
    mine, other = new_key("mine"), new_key("other")
    bundle = models.sign("team-a", mine.private)
    with pytest.raises(BadSignatureError, match="other key") as caught:
        models.verify_signature("team-a", other.public)
    assert [check.result for check in caught.value.checks] == ["other key"]
    ids = [read_public_key(key.public).id.encode() for key in (mine, other)]
    forged = other.public.with_name("forged.sig")
    forged.write_bytes(bundle.replace(*ids))
    with pytest.raises(BadSignatureError, match=r"bad\. The key that it names has not made it"):
        models.verify_signature("team-a", other.public, signature=forged)
    forged.write_bytes(bundle.replace(ids[0], b""))
    assert models.verify_signature("team-a", [other.public, mine.public], signature=forged)[0].key_path == str(
        mine.public
    )

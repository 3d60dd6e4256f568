"""Tampering: whatever is changed in a signature, or in what it was made of, it is good no longer."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, models
from tiffin.exceptions import BadSignatureError, UntrustedModelError
from tiffin.info import ModelInfo
from tiffin_signing import read_bundle, read_public_key, verify

SAMPLES = Path(__file__).resolve().parent / "data"


@pytest.fixture
def gift(store_home: Path) -> Model:
    """Return the sample model."""
    pytest.importorskip("cryptography", reason="cryptography is not installed; make setup brings it")
    return models.import_model(SAMPLES / "gift")


def result_of(gift: Model, data: bytes, *keys: str) -> str:
    believed = [read_public_key(SAMPLES / f"{key}.pub") for key in keys]
    [check] = verify([data], gift.info, gift.path, believed)
    return check.result


@pytest.mark.parametrize("name", ["p256", "p384", "p521"])
def test_each_sample_of_the_reference_implementation_is_good_for_its_key_only(name: str, gift: Model) -> None:
    """It covers model.yaml, and so the whole content."""
    sample = (SAMPLES / f"{name}.sig").read_bytes()
    assert result_of(gift, sample, name) == "good"
    assert result_of(gift, sample, *{"p256", "p384", "p521"} - {name}) == "other key"
    assert result_of(gift, sample) == "unverified"


def test_no_byte_of_a_bundle_can_be_changed(gift: Model) -> None:
    """With any one byte changed it is refused or not good, or what was signed and the signature are the same."""
    sample = (SAMPLES / "p256.sig").read_bytes()
    signed = read_bundle(sample, "x")
    results = set()
    for at in range(len(sample)):
        changed = sample[:at] + bytes([sample[at] ^ (1 << at % 7)]) + sample[at + 1 :]
        result = result_of(gift, changed, "p256")
        if result == "good":
            assert (read_bundle(changed, "x").payload, read_bundle(changed, "x").signature) == (
                signed.payload,
                signed.signature,
            )
        results.add(result)
    assert results >= {"bad", "malformed", "other key"}


def test_no_byte_of_the_payload_can_be_changed(gift: Model) -> None:
    """Every byte of the statement is under the signature."""
    found = json.loads((SAMPLES / "p256.sig").read_bytes())
    payload = base64.b64decode(found["dsseEnvelope"]["payload"])
    results = set()
    for at in range(len(payload)):
        changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        found["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
        results.add(result_of(gift, json.dumps(found).encode(), "p256"))
    assert results == {"bad", "malformed", "other content"}


@pytest.mark.parametrize("field", ["payload", "signatures"])
def test_parts_of_two_good_signatures_make_no_third(field: str, model: Model, key: Any) -> None:
    """The payload of one with the signature of the other."""
    first = json.loads(models.sign(tiffin.save("other", {"a": 1}, framework="picklable").tag, key.private))
    second = json.loads(models.sign(model.tag, key.private))
    first["dsseEnvelope"][field] = second["dsseEnvelope"][field]
    believed = [read_public_key(key.public)]
    for signed in (models.get("other"), model):
        [check] = verify([json.dumps(first).encode()], signed.info, signed.path, believed)
        assert check.result in ("bad", "other content")


def test_a_signature_over_other_bytes_than_dsse_says_is_bad(gift: Model, key: Any) -> None:
    """Over the payload alone, with another type, or in the form of the format's first releases, which was a mistake."""
    from tiffin_signing import read_private_key
    from tiffin_signing._bundle import write_bundle
    from tiffin_signing._statement import make_statement

    private = read_private_key(key.private)
    payload = make_statement(gift.info)
    for signed in (
        payload,
        b"DSSEv1 16 application/json %d %s" % (len(payload), payload),
        f"DSSEV1 28 application/vnd.in-toto+json {len(payload)} {payload!r}".encode(),
    ):
        bundle = write_bundle(payload, private.sign(signed), private.public.id)
        [check] = verify([bundle], gift.info, gift.path, [private.public])
        assert check.result == "bad"


def test_a_certificates_key_can_be_trusted_as_a_key(gift: Model) -> None:
    """What a signature brings along decides nothing: its certificates are passed over, and the key that is given counts."""
    sample = (SAMPLES / "certificate.sig").read_bytes()
    assert read_bundle(sample, "x").kind == "certificates"
    assert result_of(gift, sample, "p256") == "good"
    assert result_of(gift, sample, "p384") == "other key"


def test_another_tools_signature_counts_for_files_only_once_the_record_is_another(gift: Model) -> None:
    """It was made of model.yaml's bytes. A label changes these, and then nothing binds framework and options."""
    signature = SAMPLES / "p256.sig"
    assert models.verify_signature("gift", SAMPLES / "p256.pub", signature=signature)[0].result == "good"
    models.label("gift", stage="prod")
    [check] = models.verify_signature("gift", SAMPLES / "p256.pub", signature=signature)
    assert check.result == "good for files"
    assert "framework" in check.problem


def test_the_same_files_under_another_framework_are_other_content(model: Model, key: Any) -> None:
    """Which adapter loads a file, and how, decides what runs: it is under the signature."""
    import attrs

    bundle = models.sign("team-a", key.private)
    believed = [read_public_key(key.public)]
    for change in ({"framework": "other"}, {"options": {"a": 1}}):
        other: ModelInfo = attrs.evolve(model.info, **change)
        [check] = verify([bundle], other, model.path, believed)
        assert check.result == "other content"
        assert "another framework" in check.problem


def test_a_changed_file_is_found_before_a_signature_is_called_good(model: Model, key: Any) -> None:
    """The signature speaks of digests; the files that can run code are compared with them."""
    models.sign("team-a", key.private)
    file = model.path / "model.pkl"
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(UntrustedModelError, match=r"model\.pkl"):
        models.verify_signature("team-a", key.public)
    with pytest.raises(UntrustedModelError, match=r"model\.pkl"):
        models.sign("team-a", key.private)


def test_labels_and_names_are_not_signed(model: Model, key: Any) -> None:
    """They may change; the signature stays good."""
    models.sign("team-a", key.private)
    models.label("team-a", stage="prod")
    models.edit("team-a", metadata={"score": 1})
    assert models.verify_signature("team-a", key.public)[0].result == "good"


def test_an_unsigned_model_and_an_unreadable_signature_are_told(model: Model, key: Any, tmp_path: Path) -> None:
    """Each with what to do."""
    with pytest.raises(BadSignatureError, match=r"is not signed\. Sign it with: tiffin models sign team-a:1 --key KEY"):
        models.verify_signature("team-a", key.public)
    with pytest.raises(BadSignatureError, match="cannot be read: No such file"):
        models.verify_signature("team-a", key.public, signature=tmp_path / "missing.sig")
    models.sign("team-a", key.private)
    with pytest.raises(BadSignatureError, match="No key is trusted for models called 'team-a'"):
        models.verify_signature("team-a")
    with pytest.raises(BadSignatureError, match="No signature of model 'team-a:1' is good"):
        models.verify_signature("team-a", [])

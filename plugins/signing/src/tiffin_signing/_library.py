"""Signing models of a store, and verifying their signatures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tiffin import Model
from tiffin.exceptions import BadSignatureError
from tiffin.info import MAX_ATTESTATION
from tiffin.model import accepted_info
from tiffin.plugins import Voucher
from tiffin.store import ModelStore
from tiffin.trust import check_content
from tiffin_signing._bundle import read_bundle
from tiffin_signing._keys import read_private_key, read_public_key
from tiffin_signing._sign import make_signature
from tiffin_signing._trusted import keys_for
from tiffin_signing._verify import verify

PASSWORD = "TIFFIN_KEY_PASSWORD"
"""The environment variable that may hold the password of a private key."""


def sign(model: Model, key: str | os.PathLike[str], *, password: str | bytes | None, store: ModelStore) -> bytes:
    """Sign a version's content, and keep the signature in the store: what `tiffin.models.sign` does.

    Args:
        model: the version.
        key: a private key in a PEM file.
        password: what the key is encrypted with, if it is; default: what $TIFFIN_KEY_PASSWORD holds.
        store: the store that has the version.

    Returns:
        The signature: a Sigstore bundle, JSON. Where the key has signed this content before, that signature.

    Raises:
        SigningError: the key cannot be used.
        RecordError: the record was edited by hand and is not accepted.
        UntrustedModelError: a file that can run code is not the one that the record lists.
        TooManySignaturesError: the content has as many signatures as a store keeps.
        ReadOnlyStoreError, StorageFullError: the signature cannot be kept.
    """
    private = read_private_key(key, password or os.environ.get(PASSWORD))
    info = accepted_info(model, "What would be signed is not what was saved")
    check_content(store, model.path, info)
    for bundle in store.attestations(info.compute_digest()):
        check = verify([bundle], info, model.path, [private.public])[0]
        # One of another tool ends with the next label, as that covers the bytes of model.yaml.
        if check.result == "good" and read_bundle(bundle, "").statement.content_digest:
            return bundle
    bundle = make_signature(info, private)
    store.add_attestation(info, bundle, own=True)
    return bundle


def verify_signature(
    model: Model,
    keys: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
    *,
    signature: str | os.PathLike[str] | None,
    store: ModelStore,
) -> list[Voucher]:
    """Verify the signatures of a version, and return what each proves: what `tiffin.models.verify_signature` does.

    Args:
        model: the version.
        keys: public keys in PEM files; `None`: those that config.toml trusts for models of this name.
        signature: a file that holds the signature; `None`: those in the store.
        store: the store that has the version.

    Raises:
        BadSignatureError: there is no signature, or no good one; `checks` holds what each proves.
        SigningError: a key cannot be used.
        UntrustedModelError: a file that can run code is not the one that the record lists.
        ConfigError: the settings, or a key that they name, cannot be used.
    """
    if keys is None:
        believed = keys_for(model.name)
    else:
        paths = [keys] if isinstance(keys, (str, os.PathLike)) else keys
        believed = [read_public_key(path) for path in paths]
    info = model.info
    bundles = store.attestations(info.compute_digest()) if signature is None else [_read(signature)]
    checks = verify(bundles, info, model.path, believed)
    if not any(check.result in ("good", "good for files") for check in checks):
        raise _not_good(model, checks, len(believed), given=keys is not None)
    check_content(store, model.path, info)
    return checks


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_ATTESTATION + 1)
    except OSError as error:
        raise BadSignatureError(
            f"The signature {os.fspath(path)} cannot be read: {error.strerror or error}",
            path=os.fspath(path),
            checks=(),
        ) from error


def _not_good(model: Model, checks: Sequence[Voucher], believed: int, *, given: bool) -> BadSignatureError:
    if not checks:
        what, why = f"Model '{model.tag}' is not signed", ""
        fix = f"Sign it with: tiffin models sign {model.tag} --key KEY"
    elif not believed and not given:
        what = f"No key is trusted for models called '{model.name}', so the signatures of '{model.tag}' prove nothing"
        why = "Whoever changes a model can sign it anew, with a key of their own"
        fix = "Give the signer's public key (--key), or name it in config.toml, under [[trust.keys]]"
    else:
        what = f"No signature of model '{model.tag}' is good"
        why = "; ".join(f"{check.key[:16] or 'no key'}: {check.result}. {check.problem}" for check in checks[:3])
        fix = "Ask whoever signed it for the model, its signature and the public key"
    return BadSignatureError(what, why=why, fix=fix, path="", checks=tuple(checks))

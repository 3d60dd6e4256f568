"""Signing models, and verifying their signatures."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiffin.exceptions import BadSignatureError
from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.signing import SignatureCheck

PASSWORD = "TIFFIN_KEY_PASSWORD"
"""The environment variable that may hold the password of a private key."""


def sign(
    tag: str | Tag | Model,
    key: str | os.PathLike[str],
    *,
    password: str | bytes | None = None,
    store: ModelStore | None = None,
) -> bytes:
    """Sign a version's content, and keep the signature in the store; it travels with exports and pushes.

    The format is that of OpenSSF model signing. What is signed are the digests that the record lists, and the digest of the
    whole content; no file is read again but those that can run code. Labels, metadata, name and version are not signed.

    Args:
        tag: which version.
        key: a private key in a PEM file: an elliptic curve, P-256, P-384 or P-521.
        password: what the key is encrypted with, if it is; default: what $TIFFIN_KEY_PASSWORD holds.
        store: another store than the default one.

    Returns:
        The signature: a Sigstore bundle, JSON. Where the key has signed this content before, that signature.

    Raises:
        ModelNotFoundError: there is no such version.
        SigningError: the key cannot be used, or the extra `signing` is not installed.
        RecordError: the record was edited by hand and is not accepted.
        UntrustedModelError: a file that can run code is not the one that the record lists.
        TooManySignaturesError: the content has as many signatures as a store keeps.
        ReadOnlyStoreError, StorageFullError: the signature cannot be kept.
    """
    from tiffin.model import accepted_info
    from tiffin.signing import make_signature, read_bundle, read_private_key, verify
    from tiffin.trust import check_content

    store = store or default_store()
    model = tag if isinstance(tag, Model) else store.get(tag)
    private = read_private_key(key, password or os.environ.get(PASSWORD))
    info = model.info
    accepted_info(model, "What would be signed is not what was saved")
    check_content(store, model.path, info)
    for bundle in store.signatures(info.compute_digest()):
        check = verify([bundle], info, model.path, [private.public])[0]
        # One of another tool ends with the next label, as that covers the bytes of model.yaml.
        if check.result == "good" and read_bundle(bundle, "").statement.content_digest:
            return bundle
    bundle = make_signature(info, private)
    store.add_signature(info, bundle)
    return bundle


def verify_signature(
    tag: str | Tag | Model,
    keys: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    *,
    signature: str | os.PathLike[str] | None = None,
    store: ModelStore | None = None,
) -> builtins.list[SignatureCheck]:
    """Verify the signatures of a version, and return what each proves, good ones first.

    A good one proves that the key's owner vouches for what the record says: the files' digests, framework, options and
    signatures of methods. The files that can run code are compared with it; `verify` reads all of them again.

    Args:
        tag: which version.
        keys: public keys in PEM files; default: those that config.toml trusts for models of this name.
        signature: a file that holds the signature, instead of those in the store.
        store: another store than the default one.

    Returns:
        At least one whose result is "good", or "good for files".

    Raises:
        ModelNotFoundError: there is no such version.
        BadSignatureError: there is no signature, or no good one; `checks` holds what each proves.
        SigningError: a key cannot be used, or the extra `signing` is not installed.
        UntrustedModelError: a file that can run code is not the one that the record lists.
        ConfigError: the settings, or a key that they name, cannot be used.
    """
    from tiffin.signing import read_public_key, verify
    from tiffin.trust import check_content, keys_for

    store = store or default_store()
    model = tag if isinstance(tag, Model) else store.get(tag)
    if keys is None:
        believed = keys_for(model.name)
    else:
        paths = [keys] if isinstance(keys, (str, os.PathLike)) else keys
        believed = [read_public_key(path) for path in paths]
    info = model.info
    bundles = store.signatures(info.compute_digest()) if signature is None else [_read(signature)]
    checks = verify(bundles, info, model.path, believed)
    if not any(check.result in ("good", "good for files") for check in checks):
        raise _not_good(model, checks, len(believed), given=keys is not None)
    check_content(store, model.path, info)
    return checks


def _read(path: str | os.PathLike[str]) -> bytes:
    from tiffin.signing import MAX_BUNDLE

    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BUNDLE + 1)
    except OSError as error:
        raise BadSignatureError(
            f"The signature {os.fspath(path)} cannot be read: {error.strerror or error}",
            path=os.fspath(path),
            checks=(),
        ) from error


def _not_good(model: Model, checks: Sequence[SignatureCheck], believed: int, *, given: bool) -> BadSignatureError:
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

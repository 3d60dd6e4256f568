"""Signing models and verifying signatures: what the plugin of that purpose does, under the names of the public functions."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import SigningNotInstalledError
from tiffin.hints import install_hint
from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.plugins import Voucher

_PLUGIN = "signing"
"""The name of the plugin that has both functions: that of its entry point."""


def sign(
    tag: str | Tag | Model,
    key: str | os.PathLike[str],
    *,
    password: str | bytes | None = None,
    store: ModelStore | None = None,
) -> bytes:
    """Sign a version's content, and keep the signature in the store; it travels with exports and pushes.

    The format is the plugin's. What is signed are the digests that the record lists, and the digest of the
    whole content; no file is read again but those that can run code. Labels, metadata, name and version are not signed.

    Args:
        tag: which version.
        key: a private key in a PEM file: an elliptic curve, P-256, P-384 or P-521.
        password: what the key is encrypted with, if it is; default: what $TIFFIN_KEY_PASSWORD holds.
        store: another store than the default one.

    Returns:
        The signature, as the plugin writes it. Where the key has signed this content before, that signature.

    Raises:
        ModelNotFoundError: there is no such version.
        SigningError: the key cannot be used, or the extra `signing` is not installed.
        RecordError: the record was edited by hand and is not accepted.
        UntrustedModelError: a file that can run code is not the one that the record lists.
        TooManySignaturesError: the content has as many signatures as a store keeps.
        ReadOnlyStoreError, StorageFullError: the signature cannot be kept.
    """
    plugin, store = _signing(), store or default_store()
    signature: bytes = plugin.sign(_model(tag, store), key, password=password, store=store)
    return signature


def verify_signature(
    tag: str | Tag | Model,
    keys: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    *,
    signature: str | os.PathLike[str] | None = None,
    store: ModelStore | None = None,
) -> builtins.list[Voucher]:
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
    plugin, store = _signing(), store or default_store()
    checks: list[Voucher] = plugin.verify_signature(_model(tag, store), keys, signature=signature, store=store)
    return checks


def _model(tag: str | Tag | Model, store: ModelStore) -> Model:
    return tag if isinstance(tag, Model) else store.get(tag)


def _signing() -> Any:
    from tiffin.plugins import registry

    plugin = registry().other(_PLUGIN)
    if plugin is None:
        raise SigningNotInstalledError(
            "Signatures can be neither made nor verified: the plugin for that is not installed, or is switched off",
            fix=install_hint(_PLUGIN, "plugins"),
            path="",
        )
    return plugin

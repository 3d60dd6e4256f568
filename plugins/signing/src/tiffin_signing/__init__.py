"""Signing for Tiffin: signatures of stored models, in the format of OpenSSF model signing.

The plugin says what signatures prove when a model is loaded or looked at, refuses those that are about other content, and
has the commands `tiffin models sign` and `verify-signature`. It is loaded with every other plugin, in workers too, so each
part is imported when it is used, and `cryptography` not before a key is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin import hookimpl

if TYPE_CHECKING:
    import click

    from tiffin.info import ModelInfo
    from tiffin.plugins import Voucher

_NAMES = {
    "Bundle": "_bundle",
    "PrivateKey": "_keys",
    "PublicKey": "_keys",
    "Statement": "_statement",
    "check_fits": "_bundle",
    "keys_for": "_trusted",
    "make_signature": "_sign",
    "needs_password": "_keys",
    "read_bundle": "_bundle",
    "read_private_key": "_keys",
    "read_public_key": "_keys",
    "sign": "_library",
    "verify": "_verify",
    "verify_signature": "_library",
}
_FORMER = {
    "MAX_BUNDLE": ("tiffin.info", "MAX_ATTESTATION"),
    "MAX_SIGNATURES": ("tiffin.info", "MAX_ATTESTATIONS"),
    "SIGNATURE_NAMES": ("tiffin.info", "ATTESTATION_NAMES"),
    "SignatureCheck": ("tiffin.plugins", "Voucher"),
    "max_size": ("tiffin.info", "max_attestation_size"),
    "signature_names": ("tiffin.info", "attestation_names"),
}
"""What `tiffin.signing` had under other names when it was a part of core."""

__all__ = ["check_attestation", "commands", "vouch", *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
    if name in _FORMER:
        module, now = _FORMER[name]
        return getattr(import_module(module), now)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@hookimpl
def vouch(info: ModelInfo, path: Path, attestations: Sequence[bytes]) -> list[Voucher]:
    """Say what signatures prove, with the keys that config.toml trusts for models of the name."""
    import attrs

    from tiffin.exceptions import SigningNotInstalledError
    from tiffin_signing._trusted import keys_for
    from tiffin_signing._verify import verify

    try:
        return verify(attestations, info, path, keys_for(info.name))
    except SigningNotInstalledError as error:
        # What needs no signature in order to load does so all the same; what does need one is refused, and says why.
        found = verify(attestations, info, path, ())
        why = f"{error.what}. {error.fix}"
        return [attrs.evolve(item, problem=why) if item.result == "unverified" else item for item in found]


@hookimpl(trylast=True)  # what is of no known format is refused here, so others are asked before
def check_attestation(info: ModelInfo, data: bytes, where: str) -> bool:
    """Refuse a signature that is malformed, or is about other content."""
    from tiffin_signing._bundle import check_fits

    check_fits(info, data, where)
    return True


@hookimpl
def commands() -> dict[str, click.Command]:
    """Add `tiffin models sign` and `tiffin models verify-signature`."""
    from tiffin_signing import _commands

    return {"models sign": _commands.sign, "models verify-signature": _commands.verify_signature}

"""Vouching: what the attestations of a content prove now, as the installed plugins tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tiffin.config import trusted_keys
from tiffin.hints import install_hint
from tiffin.plugins import Voucher, ask_vouchers, has_vouchers
from tiffin.trust._content import TrustSource

if TYPE_CHECKING:
    from tiffin.info import ModelInfo

ATTESTATION_POLICIES = ("ask", "allow-listed")
"""The trust policies under which an attestation counts."""


@attrs.frozen
class Vouched:
    """What the attestations of a model prove.

    Attributes:
        vouchers: what each proves, good ones first.
        problem: why that cannot be told; empty where it can.
        fix: what to do about that.
    """

    vouchers: tuple[Voucher, ...] = ()
    problem: str = ""
    fix: str = ""

    @property
    def is_good(self) -> bool:
        """Whether somebody whom the settings trust vouches for all of the content."""
        return any(voucher.result == "good" for voucher in self.vouchers)


def vouched(source: TrustSource, path: Path, info: ModelInfo, content_digest: str) -> Vouched:
    """Return what the attestations of a model prove.

    Plugins look at them and at the settings each time: a key that is removed from these counts no longer.

    Args:
        source: the store.
        path: the version's folder.
        info: its record.
        content_digest: of its content, computed.

    Raises:
        ConfigError: the settings, or a key that they name, cannot be used.
        HookError: a plugin answers wrongly.
    """
    attestations = source.attestations(content_digest)
    if not attestations:
        return Vouched()
    if not has_vouchers():
        problem = "No installed plugin can verify that"
        if any(key.is_for(info.name) for key in trusted_keys()):
            problem += f", although config.toml trusts keys for models called {info.name!r}"
        return Vouched((), problem, install_hint("signing", "plugins"))
    vouchers = ask_vouchers(info, path, attestations)
    return Vouched(vouchers, "" if vouchers else "It is not signed in a way that an installed plugin knows")

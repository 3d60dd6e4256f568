"""What attestations prove, as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tiffin.cli._output import show_table
from tiffin.showing import shown

if TYPE_CHECKING:
    from tiffin.plugins import Voucher


def show_vouchers(vouchers: Sequence[Voucher]) -> None:
    """Print what each attestation of a model proves."""
    show_table(
        ["SIGNATURE", "KEY", "SIGNED AS", "WHY"],
        [
            [found.result, found.key_path or found.key[:16] or "-", shown(found.signed_as, 130), found.problem]
            for found in vouchers
        ],
    )

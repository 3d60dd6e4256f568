"""Limits: how much an archive may unpack to."""

from __future__ import annotations

import attrs

MIB = 1 << 20
FREE = 64 * MIB
"""Bytes up to which the ratio does not matter: small files of zeros compress a thousandfold, and harm nobody."""


@attrs.frozen(kw_only=True)
class Limits:
    """How much an archive may unpack to before it is refused as a bomb.

    Attributes:
        max_bytes: bytes of all files together.
        max_files: how many files.
        max_ratio: unpacked bytes to archive bytes, once more than 64 MiB are unpacked.
    """

    max_bytes: int = 1 << 40
    max_files: int = 100_000
    max_ratio: float = 1000.0

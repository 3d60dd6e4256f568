"""Limits: how much work an inspection does before it gives up, which counts as a refusal."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class InspectionLimits:
    """How much work an inspection does.

    Attributes:
        max_operations: pickle operations in one file; a forest of a thousand trees has about a million.
        max_unpacked: bytes that compressed parts of a file may unpack to, together.
        max_depth: pickles within arrays within pickles, or archives within archives.
    """

    max_operations: int = 20_000_000
    max_unpacked: int = 8 << 30
    max_depth: int = 4

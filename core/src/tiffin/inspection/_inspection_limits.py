"""Limits: how much work an inspection does before it gives up, which counts as a refusal."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class InspectionLimits:
    """How much work an inspection does. What goes past a limit is a problem, never taken for safe.

    Attributes:
        max_operations: pickle operations in one file; a forest of a thousand trees has about a quarter of a million.
        max_objects: objects that a pickle may keep at once, on its stack or in its memo.
        max_unpacked: bytes that the compressed parts of a file may unpack to, together.
        max_depth: pickles within arrays within pickles, or archives within archives.
        max_members: files in one archive.
    """

    max_operations: int = 10_000_000
    max_objects: int = 1_000_000
    max_unpacked: int = 2 << 30
    max_depth: int = 4
    max_members: int = 100_000

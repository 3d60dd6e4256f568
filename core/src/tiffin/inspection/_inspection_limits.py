"""Limits: how much work an inspection does before it gives up, which counts as a refusal."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class InspectionLimits:
    """How much work an inspection does. What goes past a limit is a problem, never taken for safe.

    Attributes:
        max_operations: operations in one pickle; a forest of a thousand trees has about a quarter of a million.
        max_objects: objects, containers and states that one file may make.
        max_unpacked: bytes that the compressed parts of a file may unpack to, together.
        max_ratio: how many times its size a file may unpack to; small ones may reach `min_unpacked` in any case.
        min_unpacked: bytes that any file may unpack to.
        max_depth: pickles within arrays within pickles, or archives within archives.
        max_members: names in one pickle, files in one archive.
    """

    max_operations: int = 10_000_000
    max_objects: int = 1_000_000
    max_unpacked: int = 2 << 30
    max_ratio: int = 100
    min_unpacked: int = 64 << 20
    max_depth: int = 4
    max_members: int = 100_000

    def unpacked(self, size: int) -> int:
        """Return the bytes that a file of `size` bytes may unpack to."""
        return min(self.max_unpacked, max(self.min_unpacked, self.max_ratio * size))

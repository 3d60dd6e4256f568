"""What was chosen on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Options:
    """What every section gets.

    Attributes:
        tiffin: the Python of Tiffin's environment.
        bentoml: the Python of BentoML's, `None` without peers.
        folder: where stores are made; on a real disk, or syncing costs nothing.
        effort: by what the number of rounds is multiplied.
        mib: the size of the large model.
    """

    tiffin: Path
    bentoml: Path | None
    folder: Path
    effort: float
    mib: int

    def rounds(self, usual: int) -> int:
        """Return how often to measure, where `usual` is what is needed on a quiet machine; at least 2."""
        return max(2, round(usual * self.effort))

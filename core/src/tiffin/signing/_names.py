"""What signatures are called beside a model's files, in an archive or an exported folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_SIGNATURES = 16
"""How many signatures of one content are kept, and travel."""

SIGNATURE_NAMES = ("model.sig", *(f"model.{number}.sig" for number in range(2, MAX_SIGNATURES + 1)))
"""The names, in the order in which they are used; the first is what other tools look for."""


def signature_names(files: Iterable[str]) -> list[str]:
    """Return the names that signatures have beside these files: those that no file or folder has itself.

    Args:
        files: the paths of the model's files.
    """
    taken = {unicodedata.normalize("NFC", path.partition("/")[0]).casefold() for path in files}
    return [name for name in SIGNATURE_NAMES if name not in taken]

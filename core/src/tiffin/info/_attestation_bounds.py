"""What lies beside a content: attestations and examples; how large they may be, how many are kept, and what they are called.

An attestation says who vouches for the content. Core keeps and moves it without reading it; what it says, and whether it
proves that, is told by plugins.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiffin.info._info import ModelInfo

MAX_ATTESTATION = 32 << 20
"""Bytes that no attestation may have, however many files its model has."""

MAX_ATTESTATIONS = 16
"""How many attestations of one content are kept, and travel."""

ATTESTATION_NAMES = ("model.sig", *(f"model.{number}.sig" for number in range(2, MAX_ATTESTATIONS + 1)))
"""What they are called beside a model's files, in the order in which the names are used; other tools look for the first."""


MAX_EXAMPLES = 32 << 20
"""Bytes that the examples of one content may have."""

_EXAMPLE_NAMES = ("model.examples", *(f"model.{number}.examples" for number in range(2, 17)))


def attestation_names(files: Iterable[str]) -> list[str]:
    """Return the names that attestations have beside these files: those that no file or folder has itself.

    Args:
        files: the paths of the model's files.
    """
    taken = _tops(files)
    return [name for name in ATTESTATION_NAMES if name not in taken]


def examples_name(files: Iterable[str]) -> str | None:
    """Return the name that examples have beside these files in an archive; `None` where all such names are theirs.

    Args:
        files: the paths of the model's files.
    """
    taken = _tops(files)
    return next((name for name in _EXAMPLE_NAMES if name not in taken), None)


def _tops(files: Iterable[str]) -> set[str]:
    return {unicodedata.normalize("NFC", path.partition("/")[0]).casefold() for path in files}


def max_attestation_size(info: ModelInfo) -> int:
    """Return how many bytes an attestation of a model may have, by the number and names of its files."""
    # A path's character may be six bytes of JSON, and those eight of base64.
    return min(MAX_ATTESTATION, (1 << 20) + sum(320 + 4 * len(path.encode("utf-16-le")) for path in info.files))

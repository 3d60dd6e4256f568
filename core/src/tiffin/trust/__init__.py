"""Trust: which stored models may run code when they are loaded."""

from __future__ import annotations

from tiffin.trust._check import check, check_content, check_shown
from tiffin.trust._reading import PartReader
from tiffin.trust._report import FileReport, TrustReport, describe_origin, report
from tiffin.trust._signed import keys_for

__all__ = [
    "FileReport",
    "PartReader",
    "TrustReport",
    "check",
    "check_content",
    "check_shown",
    "describe_origin",
    "keys_for",
    "report",
]

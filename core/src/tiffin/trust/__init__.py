"""Trust: which stored models may run code when they are loaded."""

from __future__ import annotations

from tiffin.trust._check import check, check_content
from tiffin.trust._report import FileReport, TrustReport, describe_origin, report

__all__ = ["FileReport", "TrustReport", "check", "check_content", "describe_origin", "report"]

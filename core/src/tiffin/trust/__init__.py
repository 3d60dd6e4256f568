"""Trust: which stored models may run code when they are loaded."""

from __future__ import annotations

from typing import Any

from tiffin.trust._check import check, check_content
from tiffin.trust._report import FileReport, TrustReport, describe_origin, report

__all__ = ["FileReport", "TrustReport", "check", "check_content", "describe_origin", "report"]


def __getattr__(name: str) -> Any:
    if name == "keys_for":  # it went with the plugin that reads keys
        from tiffin.plugins import registry

        return getattr(registry().other("signing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

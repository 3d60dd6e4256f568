"""Trust: which stored models may run code when they are loaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tiffin.trust._check import check, check_content, check_shown

if TYPE_CHECKING:
    from tiffin.trust._reading import PartReader, inspect, judge_inspection, lists
    from tiffin.trust._report import FileReport, TrustReport, describe_origin, report

__all__ = [
    "FileReport",
    "PartReader",
    "TrustReport",
    "check",
    "check_content",
    "check_shown",
    "describe_origin",
    "inspect",
    "judge_inspection",
    "lists",
    "report",
]

_MODULES = {
    "FileReport": "tiffin.trust._report",
    "PartReader": "tiffin.trust._reading",
    "TrustReport": "tiffin.trust._report",
    "describe_origin": "tiffin.trust._report",
    "inspect": "tiffin.trust._reading",
    "judge_inspection": "tiffin.trust._reading",
    "lists": "tiffin.trust._reading",
    "report": "tiffin.trust._report",
}
"""Where each name is that brings what looks into files and builds of them, which loading what was saved here does without."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    if name == "keys_for":  # it went with the plugin that reads keys
        from tiffin.plugins import registry

        return getattr(registry().other("signing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

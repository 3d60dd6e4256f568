"""Inspection: what a stored file would import when it is loaded, found without loading it."""

from __future__ import annotations

from tiffin.inspection._file import Inspection, inspect_file
from tiffin.inspection._limits import InspectionLimits

__all__ = ["Inspection", "InspectionLimits", "inspect_file"]

"""Inspection: what a stored file would import when it is loaded, found without loading it."""

from __future__ import annotations

from tiffin.inspection._file import Inspection, Reader, inspect_file
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._keys import pickled_keys
from tiffin.inspection._plain_names import PLAIN_NAMES

__all__ = ["PLAIN_NAMES", "Inspection", "InspectionLimits", "Reader", "inspect_file", "pickled_keys"]

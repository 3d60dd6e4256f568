"""Inspection: what a stored file says, read without loading it, as a tape of inert data.

What is built of a tape, and what may be, is `tiffin.building`.
"""

from __future__ import annotations

from tiffin.inspection._archive import open_archive
from tiffin.inspection._file import Inspection, Reader, inspect_file, map_for_reading
from tiffin.inspection._inert_dtype import InertDtype
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._keys import pickled_keys
from tiffin.inspection._npy import read_npy
from tiffin.inspection._parse import parse_pickle
from tiffin.inspection.tape import Node, Tape, Unfollowable

__all__ = [
    "InertDtype",
    "Inspection",
    "InspectionLimits",
    "Node",
    "Reader",
    "Tape",
    "Unfollowable",
    "inspect_file",
    "map_for_reading",
    "open_archive",
    "parse_pickle",
    "pickled_keys",
    "read_npy",
]

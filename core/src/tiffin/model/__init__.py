"""The handle on one stored version."""

from __future__ import annotations

from tiffin.model._accepted import accepted_info
from tiffin.model._elsewhere import found_here
from tiffin.model._handle import RETRIES, Model, Row, Stamp
from tiffin.model._path_of import path_of

__all__ = ["RETRIES", "Model", "Row", "Stamp", "accepted_info", "found_here", "path_of"]

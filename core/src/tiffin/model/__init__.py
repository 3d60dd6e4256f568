"""The handle on one stored version."""

from __future__ import annotations

from tiffin.model._accepted import accepted_info
from tiffin.model._handle import RETRIES, Model, Row, Stamp

__all__ = ["RETRIES", "Model", "Row", "Stamp", "accepted_info"]

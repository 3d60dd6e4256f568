"""Moving models: archives in many formats, to and from files and URLs."""

from __future__ import annotations

from tiffin.transfer._export import export_model
from tiffin.transfer._formats import FORMATS
from tiffin.transfer._import import import_model
from tiffin.transfer._limits import Limits

__all__ = ["FORMATS", "Limits", "export_model", "import_model"]

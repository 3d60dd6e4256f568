"""Moving models: archives in many formats, to and from files and URLs."""

from __future__ import annotations

from tiffin.archives._export import export_model
from tiffin.archives._formats import FORMATS
from tiffin.archives._import import import_model
from tiffin.archives._import_all import Came, ImportReport, Left, import_all
from tiffin.archives._limits import Limits
from tiffin.archives._reader import Reader

__all__ = [
    "FORMATS",
    "Came",
    "ImportReport",
    "Left",
    "Limits",
    "Reader",
    "export_model",
    "import_all",
    "import_model",
]

"""Models that other tools wrote: their records are read here, and their files by the adapters that know them."""

from __future__ import annotations

from tiffin.transfer.foreign._find import Found, find_foreign, is_foreign_record
from tiffin.transfer.foreign._place import Imported, place

__all__ = ["Found", "Imported", "find_foreign", "is_foreign_record", "place"]

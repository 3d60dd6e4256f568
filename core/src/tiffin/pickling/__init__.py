"""Pickles for models: large arrays lie in files of their own, which are mapped, not read, when the model is loaded.

The format is described in docs/reference/pickle-format.md. Loading a pickle runs code: load only what you trust.

Importing this module imports neither numpy nor cloudpickle; `dump` and `by_value` import cloudpickle.
"""

from tiffin.files import record_written
from tiffin.pickling._by_value import by_value
from tiffin.pickling._dump import dump, dumps
from tiffin.pickling._index import CODE_FILES
from tiffin.pickling._load import load, load_item, map_buffers
from tiffin.pickling._unpickler import Unpickler, saved_by
from tiffin.pickling._views import restore_memoryview

__all__ = [
    "CODE_FILES",
    "Unpickler",
    "by_value",
    "dump",
    "dumps",
    "load",
    "load_item",
    "map_buffers",
    "record_written",
    "restore_memoryview",
    "saved_by",
]

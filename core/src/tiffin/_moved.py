"""Modules that have moved: whoever imports the old name, a pickle above all, gets the module that is there now."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "tiffin._model": "tiffin.model",
    "tiffin.batching._containers": "tiffin.values",
    "tiffin.batching._explain": "tiffin.batching",
    "tiffin.batching._layout": "tiffin.batching",
    "tiffin.batching._methods": "tiffin.batching",
    "tiffin.runners._attached": "tiffin.sharing",
    "tiffin.runners._interfaces": "tiffin.calls",
    "tiffin.runners._worker_process": "tiffin.workers",
    "tiffin.signing": "tiffin_signing",
    "tiffin.transfer": "tiffin.archives",
}
"""Old name → the module that has its public names now. Pickles of earlier versions hold them: they stand here for good."""


def find_moved(fullname: str) -> ModuleSpec | None:
    """Return the spec that leads from an old name to the module that is there now, `None` for other names."""
    return ModuleSpec(fullname, _Forward()) if fullname in MOVED else None


class _Forward(Loader):
    def create_module(self, spec: ModuleSpec) -> None:
        """Leave making a module to Python; it is replaced at once."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module that is there now in the old name's place."""
        sys.modules[module.__name__] = import_module(MOVED[module.__name__])

"""Modules that have moved: whoever imports the old name, a pickle above all, gets the module that is there now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

MOVED = {
    "tiffin._model": "tiffin.model",
    "tiffin.batching._containers": "tiffin.values",
    "tiffin.batching._layout": "tiffin.batching",
    "tiffin.batching._methods": "tiffin.batching",
    "tiffin.inspection._limits": "tiffin.inspection",
    "tiffin.models._signing": "tiffin.models",
    "tiffin.runners._attached": "tiffin.sharing",
    "tiffin.runners._interfaces": "tiffin.calls",
    "tiffin.runners._worker_process": "tiffin.workers",
    "tiffin.signing": "tiffin_signing",
    "tiffin.signing._bundle": "tiffin_signing",
    "tiffin.signing._keys": "tiffin_signing",
    "tiffin.signing._names": "tiffin_signing",
    "tiffin.signing._sign": "tiffin_signing",
    "tiffin.signing._statement": "tiffin_signing",
    "tiffin.signing._verify": "tiffin_signing",
    "tiffin.store._gc": "tiffin.store.gc",
    "tiffin.store._usage": "tiffin.store.usage",
    "tiffin.store._verify": "tiffin.store.verifying",
    "tiffin.transfer": "tiffin.archives",
    "tiffin.transfer._export": "tiffin.archives",
    "tiffin.transfer._import": "tiffin.archives",
    "tiffin.transfer._limits": "tiffin.archives",
    "tiffin.trust._signed": "tiffin_signing",
}
"""Old name → the module that has its public names now. Pickles of earlier versions hold them: they stand here for good."""


class MovedFinder:
    """Stands first on Python's import path: else files of the new place would be taken for modules of the old one."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Return the spec that leads from an old name to the module that is there now, `None` for other names."""
        if fullname not in MOVED:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(fullname, self)  # type: ignore[arg-type]

    def create_module(self, spec: object) -> None:
        """Leave making a module to Python; it is replaced at once."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the module that is there now in the old name's place.

        Raises:
            ModuleNotFoundError: it is in a package of its own now, which is not installed. What to install is said.
        """
        from importlib import import_module

        now = MOVED[module.__name__]
        try:
            sys.modules[module.__name__] = import_module(now)
        except ModuleNotFoundError as error:
            if error.name != now or now.startswith("tiffin."):
                raise
            from tiffin.hints import install_hint

            text = f"'{module.__name__}' is in a package of its own now. {install_hint(now, 'modules')}"
            raise ModuleNotFoundError(text) from error

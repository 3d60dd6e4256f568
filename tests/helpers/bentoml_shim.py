"""BentoML's names, led to Tiffin's: for tests that are written as BentoML's users write. It holds names, and does nothing.

`python tools/bentoml_peer.py tests` runs the same tests with BentoML itself in this module's place.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import tiffin
from tiffin import Model, Tag, models
from tiffin.exceptions import ModelNotFoundError, TiffinError

__all__ = ["Model", "Tag", "exceptions", "legacy", "models", "types"]

exceptions = SimpleNamespace(BentoMLException=TiffinError, NotFound=ModelNotFoundError)
legacy = SimpleNamespace(Runnable=tiffin.Runnable, Runner=tiffin.Runner)
types = SimpleNamespace(ModelSignature=tiffin.ModelSignature)


def __getattr__(name: str) -> Any:
    if name not in ("sklearn", "picklable_model"):
        raise AttributeError(name)
    return getattr(tiffin, name)

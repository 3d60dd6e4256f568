"""What hooks may rely on of the objects that core hands them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeAlias

from tiffin.info import ModelInfo
from tiffin.tags import Tag


class StoredModel(Protocol):
    """One stored version, as hooks receive it. Core passes its `Model`, which has more."""

    @property
    def tag(self) -> Tag:
        """The full tag."""

    @property
    def info(self) -> ModelInfo:
        """The record."""

    @property
    def path(self) -> Path:
        """The version's folder; read-only."""

    def load(self) -> Any:
        """Return the model object; a new one at each call."""


Backend: TypeAlias = Any
"""A `tiffin.runners.Backend`, which stands on a floor above this one."""
Connector: TypeAlias = Any
"""A `tiffin.remotes.Connector`, which stands on a floor above this one."""

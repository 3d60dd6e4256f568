"""BentoML's models for Tiffin: by what they are known, and what their record says.

An import takes them as it takes Tiffin's own archives; which adapter loads the files is asked of the adapters. BentoML is
never imported, and need not be installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiffin import hookimpl

if TYPE_CHECKING:
    from tiffin.plugins import ForeignTool

__all__ = ["foreign_models"]


@hookimpl
def foreign_models() -> list[ForeignTool]:
    """Add what BentoML exports, and the folders of its store."""
    from tiffin_bentoml._record import BentoML

    return [BentoML()]

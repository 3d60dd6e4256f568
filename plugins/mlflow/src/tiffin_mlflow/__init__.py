"""MLflow's models for Tiffin: by what they are known, and what their record says.

An import takes them as it takes Tiffin's own archives; which adapter loads the files is asked of the adapters. MLflow is
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
    """Add models in MLflow's format."""
    from tiffin_mlflow._record import MLflow

    return [MLflow()]

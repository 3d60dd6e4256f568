"""The record of a model that leaves, or is signed: as Tiffin wrote it, or nobody would take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiffin.exceptions import RecordError
from tiffin.model._handle import Model

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


def accepted_info(model: Model, why: str) -> ModelInfo:
    """Return a model's record.

    Args:
        model: the model.
        why: why an edited record does not do, for the error.

    Raises:
        RecordError: it was edited by hand and is not accepted, or is damaged.
    """
    from tiffin.info import RECORD_NAME

    info = model.info
    if info.edited or info.content_digest != info.compute_digest():
        raise RecordError(
            f"The record of model '{model.tag}' was edited by hand or damaged",
            why=why,
            fix=f"Look at it, then: tiffin models verify {model.tag} --accept",
            path=str(model.path / RECORD_NAME),
        )
    return info

"""Metadata: what a user says of a model, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin.exceptions import MetadataError
from tiffin.info._plain import plain_mapping

MAX_METADATA = 4 << 20
"""Characters that metadata may have as text: it is read with every record."""


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return metadata as plain values.

    Raises:
        MetadataError: a value has no plain form, or it is too much.
    """
    result = plain_mapping(metadata, "metadata")
    if result and (length := len(repr(result))) > MAX_METADATA:
        raise MetadataError(
            f"metadata has {length} characters as text",
            why=f"At most {MAX_METADATA} are kept, because metadata is read with every record",
            fix="Keep large values with custom_objects=",
            where="metadata",
        )
    return result

"""What is said of a new version besides its files."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from tiffin.info import ModelInfo, check_card, check_metadata, make_labels
from tiffin.tags import Tag, new_version


class NewVersion:
    """What is said of a new version besides its files: checked when made, before anything is written.

    Args:
        tag: the name, and an explicit version; without one a version is made.
        labels: as the user gave them.
        metadata: as the user gave it.
        card: as the user gave it.
    """

    def __init__(
        self, tag: Tag, labels: Mapping[str, str] | None, metadata: Mapping[str, Any] | None, card: str | None
    ) -> None:
        made, microseconds = new_version()
        self.tag = Tag(tag.name, tag.version or made)
        self.created = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(microseconds=microseconds)
        self.labels = make_labels(labels)
        self.metadata = check_metadata(metadata)
        self.card = check_card(card)

    def info(self, **fields: Any) -> ModelInfo:
        """Return the record with these and the other fields."""
        return ModelInfo(
            name=self.tag.name,
            version=self.tag.version or "",
            labels=make_labels(self.labels),
            metadata=check_metadata(self.metadata),
            card=check_card(self.card),
            creation_time=self.created,
            **fields,
        )

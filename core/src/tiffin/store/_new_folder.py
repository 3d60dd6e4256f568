"""NewFolder: a raw folder of files that becomes a version. What is slow to import waits until one is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tiffin.model import Model, path_of
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.store._new_version import NewVersion


class NewFolder:
    """A raw folder of files that is being made; see `tiffin.models.create`.

    After the block it stands for the version, where that was published.

    Attributes:
        tag: the tag that the version will have.
        labels, metadata, card, signatures, options, custom_objects: what is said of the version; may be changed until the
            end of the block.
        external_modules: modules whose classes and functions custom objects hold by value.
        model: the handle on the version, once it is published.
    """

    def __init__(
        self,
        folder: str,
        new: NewVersion,
        *,
        signatures: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        custom_objects: Mapping[str, Any] | None = None,
        external_modules: Iterable[ModuleType] | None = None,
    ) -> None:
        from tiffin.info import options_to_dict
        from tiffin.signatures import normalise_signatures

        self.tag: Tag = new.tag
        self.labels = new.labels
        self.metadata = new.metadata
        self.card = new.card
        self.signatures: dict[str, Any] = dict(normalise_signatures(signatures))
        self.options = options_to_dict(options or {})
        self.custom_objects = dict(custom_objects or {})
        self.external_modules = [*(external_modules or ())]
        self.model: Model | None = None
        self._folder = Path(folder)
        self._new = new

    @property
    def path(self) -> Path:
        """The folder to write to; after the block, the version's, whose files are read-only."""
        return self._folder if self.model is None else self.model.path

    def path_of(self, item: str | os.PathLike[str]) -> Path:
        """Return the path of a file or folder below `path`; within the block of any, there already or not. Makes nothing.

        Raises:
            StoreError: it leads outside of the folder; or, after the block, the version has none.
        """
        return (
            path_of(item, self._folder, f"The model '{self.tag}'") if self.model is None else self.model.path_of(item)
        )

    @property
    def info(self) -> ModelInfo:
        """The record; within the block as it would be now, still without files and custom objects.

        Until the end of the block its labels and metadata are those of this object, and may be changed.

        Raises:
            LabelError, MetadataError, SignatureError: what was set in the block is not allowed.
        """
        if self.model is not None:
            return self.model.info
        import attrs

        return attrs.evolve(self.described(), labels=self.labels, metadata=self.metadata)

    def described(self, **fields: Any) -> ModelInfo:
        """Return the record with what is said of the version, and these fields; see `info`."""
        from tiffin.info import options_to_dict
        from tiffin.signatures import normalise_signatures

        self._new.labels, self._new.metadata, self._new.card = self.labels, self.metadata, self.card
        signatures = normalise_signatures(self.signatures)
        return self._new.info(signatures=signatures, options=options_to_dict(self.options), **fields)

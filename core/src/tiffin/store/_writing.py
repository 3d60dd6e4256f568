"""Writing: saving, publishing what comes from elsewhere, editing and deleting versions."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import InvalidTagError, ModelExistsError, ModelNotFoundError, ModelTypeError, RecordError
from tiffin.model import Stamp
from tiffin.store import _changes
from tiffin.store._finding import Finder
from tiffin.store._layout import step
from tiffin.store._scan import make_entry
from tiffin.store._staging import changing, staged
from tiffin.tags import LATEST, Tag, check_part

if TYPE_CHECKING:
    from tiffin.files import WriteLedger
    from tiffin.info import ModelInfo
    from tiffin.model import Model
    from tiffin.store.request import SaveRequest


class NewFolder:
    """A raw folder of files that is being made; see `ModelStore.create`.

    Attributes:
        path: the folder to write to.
        tag: the tag that the version will have.
        labels: may be changed until the end of the block.
        metadata: may be changed until the end of the block.
        model: the handle on the version, once it is published.
    """

    def __init__(self, path: Path, tag: Tag, labels: dict[str, str], metadata: dict[str, Any]) -> None:
        self.path = path
        self.tag = tag
        self.labels = labels
        self.metadata = metadata
        self.model: Model | None = None
        self.record: tuple[ModelInfo, Stamp] | None = None


class Writer:
    """The part of a store that changes versions.

    Args:
        finder: the part that finds them.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._layout = finder.layout

    def save(self, request: SaveRequest) -> tuple[ModelInfo, Stamp]:
        """Save an object as a new version; returns its record."""
        from tiffin.store._new_version import NewVersion
        from tiffin.store._saving import save_object

        if request.model is None:
            raise ModelTypeError(
                "There is nothing to save: the model is None",
                framework=request.framework or "",
                type_name="builtins.NoneType",
            )
        tag = Tag.parse(request.name)
        self.check_free(tag, overwrite=request.overwrite)
        new = NewVersion(tag, request.labels, request.metadata)
        with changing(self._layout):
            record = save_object(self._layout, new, request)
            self._note(record, "save")
        return record

    @contextlib.contextmanager
    def create(
        self,
        name: str | Tag,
        labels: Mapping[str, str] | None,
        metadata: Mapping[str, Any] | None,
        *,
        overwrite: bool,
    ) -> Iterator[NewFolder]:
        """Make a version of a raw folder of files; its record is there once the block has ended."""
        from tiffin.store._new_version import NewVersion
        from tiffin.store._saving import publish_folder

        tag = Tag.parse(name)
        self.check_free(tag, overwrite=overwrite)
        new = NewVersion(tag, labels, metadata)
        with changing(self._layout):
            staging = contextlib.ExitStack()
            folder = staging.enter_context(staged(self._layout, "create"))
        with staging:
            made = NewFolder(Path(folder), new.tag, new.labels, new.metadata)
            yield made
            new.labels, new.metadata = made.labels, made.metadata
            with changing(self._layout):
                made.record = publish_folder(self._layout, folder, new, overwrite=overwrite)
                self._note(made.record, "create")

    def adopt(
        self, folder: str, info: ModelInfo, ledger: WriteLedger, *, origin: str, overwrite: bool
    ) -> tuple[ModelInfo, Stamp]:
        """Publish a version that comes from elsewhere, from a staging folder; returns its record."""
        from tiffin.store._publish import publish

        self.check_free(info.tag, overwrite=overwrite)
        record = publish(self._layout, folder, info, ledger, origin=origin, overwrite=overwrite, operation="import")
        self._note(record, "import")
        return record

    def check_free(self, tag: Tag, *, overwrite: bool) -> None:
        """Refuse a tag that no new version can have; see `ModelStore.check_free`."""
        if LATEST in (tag.name, tag.version):
            raise InvalidTagError(
                f"'{tag}' cannot be saved",
                why=f"{LATEST!r} stands for the newest version",
                fix="Leave the version out to have one made",
                value=str(tag),
            )
        if tag.version is None:
            return
        if not overwrite and os.path.lexists(self._layout.version(tag.name, tag.version)):
            from tiffin.store._publish import exists_error

            raise exists_error(self._layout, tag.name, tag.version)
        if self._finder.aliases.read(tag.name, tag.version) is not None:
            raise ModelExistsError(
                f"'{tag}' cannot be saved: {tag.version!r} is an alias of '{tag.name}'",
                fix="Choose another version, or remove the alias",
                tag=str(tag),
            )

    def edit(
        self,
        name: str,
        version: str,
        labels: Mapping[str, str | None] | None,
        metadata: Mapping[str, Any] | None,
        *,
        replace: bool,
    ) -> tuple[ModelInfo, Stamp]:
        """Change a version's labels and metadata; returns its new record. See `ModelStore.edit`."""
        import attrs

        from tiffin.info import check_labels, check_limits, check_metadata

        def change(info: ModelInfo) -> ModelInfo:
            before = info
            if info.edited:
                raise RecordError(
                    f"The record of model '{info.tag}' was edited by hand or damaged",
                    why="Writing it again would make that look intended",
                    fix=f"Look at it, then: tiffin models verify {info.tag} --accept",
                    path=self._layout.record(info.name, info.version),
                )
            if labels is not None:
                info = attrs.evolve(info, labels=check_labels(_merged(info.labels, labels, replace=replace)))
            if metadata is not None:
                info = attrs.evolve(info, metadata=check_metadata(_merged(info.metadata, metadata, replace=replace)))
            check_limits(info, before=before)
            return info

        with changing(self._layout):
            record = _changes.edit(self._layout, name, version, change)
            self._note(record, "edit")
        return record

    def delete(self, tag: str | Tag) -> Tag:
        """Delete one version, and the aliases that mean it; see `ModelStore.delete`."""
        from tiffin.plugins import registry

        name = Tag.parse(tag).name
        version = self._finder.resolve(tag)
        registry().broadcast()  # a plugin that cannot be used stops the deletion here
        with changing(self._layout):
            _changes.delete(self._layout, name, version)
            try:
                self._finder.aliases.remove_those_of(name, version)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                # A disk so full that no lock can be made: they mean nothing now, and gc removes them.
            step("delete", "aliases-removed")
        deleted = Tag(name, version)
        registry().broadcast().model_deleted(tag=deleted)
        return deleted

    def prune(self, name: str, keep: int, *, dry_run: bool) -> list[Tag]:
        """Delete all but the newest versions of a name; see `ModelStore.prune`."""
        if keep < 0:
            raise ValueError(f"keep must be 0 or more, not {keep}")
        versions = self._finder.versions(check_part(name, "model name"))
        if not versions:
            raise self._finder.not_found(Tag(name))
        aliased = set(self._finder.aliases_of(name).values())
        tags = [Tag(name, version) for version in versions[keep:] if version not in aliased]
        if not dry_run:
            for tag in tags:
                with contextlib.suppress(ModelNotFoundError):  # somebody else deleted it meanwhile
                    self.delete(tag)
        return tags

    def _note(self, record: tuple[ModelInfo, Stamp], operation: str) -> None:
        from tiffin.info import encode_cached

        self._finder.catalog.put([make_entry(self._layout, *record, encode_cached(record[0]))])
        step(operation, "cataloged")


def check_alias(finder: Finder, name: str, alias: str) -> None:
    """Refuse an alias that already means something else.

    Raises:
        InvalidTagError: it is a version, or `latest`.
    """
    if alias == LATEST or os.path.lexists(finder.layout.version(name, alias)):
        why = "It always stands for the newest version" if alias == LATEST else "It is a version of the model"
        raise InvalidTagError(f"{alias!r} cannot be an alias of '{name}'", why=why, value=alias)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], *, replace: bool) -> dict[str, Any]:
    merged = {**({} if replace else old), **new}
    return {key: value for key, value in merged.items() if value is not None}

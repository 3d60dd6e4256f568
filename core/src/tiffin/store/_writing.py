"""Writing: saving, publishing what comes from elsewhere, editing and deleting versions."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import (
    AliasedVersionError,
    InvalidTagError,
    ModelExistsError,
    ModelNotFoundError,
    ModelTypeError,
    RecordError,
    StoreWarning,
)
from tiffin.model import Stamp
from tiffin.store import _changes
from tiffin.store._changing import changing
from tiffin.store._finding import Finder
from tiffin.store._layout import step
from tiffin.store._new_folder import NewFolder
from tiffin.store._scan import make_entry
from tiffin.store._staging import staged
from tiffin.tags import LATEST, Tag, check_part

if TYPE_CHECKING:
    from tiffin.files import WriteLedger
    from tiffin.info import ModelInfo
    from tiffin.store.request import SaveRequest


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
        new = NewVersion(tag, request.labels, request.metadata, request.card)
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
        card: str | None,
        *,
        overwrite: bool,
        **said: Any,
    ) -> Iterator[tuple[NewFolder, list[tuple[ModelInfo, Stamp]]]]:
        """Make a version of a raw folder of files; gives it, and a list that holds its record once the block has ended."""
        from tiffin.store._new_version import NewVersion
        from tiffin.store._saving import publish_folder

        tag = Tag.parse(name)
        self.check_free(tag, overwrite=overwrite)
        new = NewVersion(tag, labels, metadata, card)
        with changing(self._layout):
            staging = contextlib.ExitStack()
            folder = staging.enter_context(staged(self._layout, "create"))
        with staging:
            made = NewFolder(folder, new, **said)
            record: list[tuple[ModelInfo, Stamp]] = []
            yield made, record
            with changing(self._layout):
                record.append(publish_folder(self._layout, folder, made, overwrite=overwrite))
                self._note(record[0], "create")

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
        card: str | None,
        *,
        replace: bool,
    ) -> tuple[ModelInfo, Stamp]:
        """Change a version's labels, metadata and card; returns its new record. See `ModelStore.edit`."""
        import attrs

        from tiffin.info import check_card, check_limits, check_metadata, make_labels

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
                info = attrs.evolve(info, labels=make_labels(_merged(info.labels, labels, replace=replace)))
            if metadata is not None:
                info = attrs.evolve(info, metadata=check_metadata(_merged(info.metadata, metadata, replace=replace)))
            if card is not None:
                info = attrs.evolve(info, card=check_card(card))
            check_limits(info, before=before)
            return info

        with changing(self._layout):
            record = _changes.edit(self._layout, name, version, change)
            self._note(record, "edit")
        return record

    def delete(self, tag: str | Tag, *, force: bool, now: bool) -> list[Tag]:
        """Delete one version, or all of a name; see `ModelStore.delete`."""
        parsed = Tag.parse(tag)
        if parsed.version is not None:
            return [self._delete(parsed.name, self._finder.resolve(parsed), force=force, now=now)]
        versions = self._finder.versions(parsed.name)
        if not versions:
            raise self._finder.not_found(parsed)
        deleted = []
        for version in versions:
            try:
                deleted.append(self._delete(parsed.name, version, force=force, now=now))
            except ModelNotFoundError:
                pass  # somebody else deleted it meanwhile
            except AliasedVersionError as error:
                aliases = ", ".join(error.aliases)
                text = f"Spared '{error.tag}', which has the alias {aliases}. To delete it, pass force=True (--force)"
                warnings.warn(text, StoreWarning, stacklevel=4)
        return deleted

    def _delete(self, name: str, version: str, *, force: bool, now: bool) -> Tag:
        from tiffin.plugins import registry

        hook = registry().broadcast()  # a plugin that cannot be used stops the deletion here
        with changing(self._layout):
            aliases = _changes.delete(self._layout, name, version, force=force, now=now)
        deleted = Tag(name, version)
        hook.model_deleted(tag=deleted)
        for alias in aliases:
            hook.alias_changed(name=name, alias=alias, before=version, after=None)
        return deleted

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias mean a version; see `ModelStore.set_alias`."""
        from tiffin.plugins import registry

        check_alias(self._finder, name, alias)
        hook = registry().broadcast()
        with changing(self._layout):
            before = _changes.set_alias(self._layout, name, alias, version)
        if before != version:
            hook.alias_changed(name=name, alias=alias, before=before, after=version)

    def remove_alias(self, name: str, alias: str) -> None:
        """Remove an alias; see `ModelStore.remove_alias`."""
        from tiffin.plugins import registry

        hook = registry().broadcast()
        with changing(self._layout):
            before = _changes.remove_alias(self._layout, check_part(name, "model name"), check_part(alias, "alias"))
        if before is None:
            raise ModelNotFoundError(
                f"'{name}' has no alias {alias!r}",
                fix="It has " + (", ".join(self._finder.aliases_of(name)) or "none"),
                tag=f"{name}:{alias}",
            )
        hook.alias_changed(name=name, alias=alias, before=before or None, after=None)

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
                # Somebody else has deleted it meanwhile, or let an alias mean it.
                with contextlib.suppress(ModelNotFoundError, AliasedVersionError):
                    self._delete(name, str(tag.version), force=False, now=False)
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

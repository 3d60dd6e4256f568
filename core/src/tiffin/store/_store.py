"""ModelStore: one store, and all that can be done with its models."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import (
    InvalidTagError,
    ModelExistsError,
    ModelNotFoundError,
    ModelTypeError,
    RecordError,
)
from tiffin.model import Model
from tiffin.store import _aliases, _changes
from tiffin.store._catalog import Entry
from tiffin.store._layout import disk_errors, step
from tiffin.store._scan import make_entry
from tiffin.store._staging import staged, sweep
from tiffin.store._trusting import Trusting
from tiffin.tags import LATEST, Tag, check_part

if TYPE_CHECKING:
    from types import ModuleType

    from tiffin.files import WriteLedger
    from tiffin.info import ModelInfo

_MISSING: Any = object()
List = list  # within the class below, `list` is a method


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


class ModelStore(Trusting):
    """A store of models in one folder. Several processes and threads may use it at once.

    Args:
        path: the store's folder; `None` stands for `store` below $TIFFIN_HOME (default ~/.tiffin). Made by the first save.
    """

    def __reduce__(self) -> Any:
        return ModelStore, (str(self.path),)

    def __repr__(self) -> str:
        return f"ModelStore({str(self.path)!r})"

    # -- saving --------------------------------------------------------------------------------------------------------

    def save(
        self,
        name: str | Tag,
        model: object,
        *,
        framework: str | None = None,
        signatures: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        custom_objects: Mapping[str, Any] | None = None,
        external_modules: Iterable[ModuleType] | None = None,
        input_example: Any = _MISSING,
        partial_kwargs: Mapping[str, Mapping[str, Any]] | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> Model:
        """Save an object as a new version; see `tiffin.save`."""
        from tiffin.info import encode_cached
        from tiffin.plugins import registry
        from tiffin.store import _saving

        if model is None:
            raise ModelTypeError(
                "There is nothing to save: the model is None", framework=framework or "", type_name="builtins.NoneType"
            )
        description = self._describe(name, labels, metadata, overwrite=overwrite)
        if partial_kwargs is not None:
            options["partial_kwargs"] = {method: dict(values) for method, values in partial_kwargs.items()}
        with self._changing():
            example = {} if input_example is _MISSING else {"input_example": input_example}
            info, stamp = _saving.save_object(
                self.layout,
                description,
                model,
                framework=framework,
                signatures=signatures,
                options=options,
                custom_objects=custom_objects,
                external_modules=external_modules or (),
                overwrite=overwrite,
                **example,
            )
            self._catalog.put([make_entry(info, stamp, encode_cached(info))])
            step("save", "cataloged")
        saved = Model(self, info.name, info.version, record=(info, stamp))
        registry().broadcast().model_saved(model=saved)
        return saved

    @contextlib.contextmanager
    def create(
        self,
        name: str | Tag,
        *,
        labels: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> Iterator[NewFolder]:
        """Make a version of a raw folder of files, without an adapter.

        Within the block write to `.path`; at its end the version is published, and an exception publishes nothing.

        Args:
            name: `name`, or `name:version`.
            labels, metadata: as for `save`.
            overwrite: whether an existing version is replaced, in one step.

        Raises:
            ModelExistsError: the explicit version exists.
            StoreError: the folder holds links or special files.
        """
        from tiffin.info import encode_cached
        from tiffin.plugins import registry
        from tiffin.store import _saving

        description = self._describe(name, labels, metadata, overwrite=overwrite)
        with self._changing():
            staging = contextlib.ExitStack()
            folder = staging.enter_context(staged(self.layout, "create"))
        with staging:
            tag = Tag(description.name, description.version)
            new = NewFolder(Path(folder), tag, description.labels, description.metadata)
            yield new
            description.labels, description.metadata = new.labels, new.metadata
            with self._changing():
                info, stamp = _saving.publish_folder(self.layout, folder, description, overwrite=overwrite)
                self._catalog.put([make_entry(info, stamp, encode_cached(info))])
                step("create", "cataloged")
        new.model = Model(self, info.name, info.version, record=(info, stamp))
        registry().broadcast().model_saved(model=new.model)

    def _describe(
        self, name: str | Tag, labels: Mapping[str, str] | None, metadata: Mapping[str, Any] | None, *, overwrite: bool
    ) -> Any:
        from tiffin.store import _saving

        tag = Tag.parse(name)
        self.check_free(tag, overwrite=overwrite)
        return _saving.Description(tag.name, tag.version, labels, metadata)

    def check_free(self, tag: Tag, *, overwrite: bool = False) -> None:
        """Refuse a tag that no new version can have.

        Args:
            tag: the name, and the version where one is asked for.
            overwrite: whether a version that exists would be replaced.

        Raises:
            InvalidTagError: it is `latest`, which stands for the newest version.
            ModelExistsError: the version exists, or is an alias.
        """
        if LATEST in (tag.name, tag.version):
            raise InvalidTagError(
                f"'{tag}' cannot be saved",
                why=f"{LATEST!r} stands for the newest version",
                fix="Leave the version out to have one made",
                value=str(tag),
            )
        if tag.version is None:
            return
        if not overwrite and os.path.lexists(self.layout.version(tag.name, tag.version)):
            from tiffin.store._publish import exists_error

            raise exists_error(self.layout, tag.name, tag.version)
        if _aliases.read(self.layout, tag.name, tag.version) is not None:
            raise ModelExistsError(
                f"'{tag}' cannot be saved: {tag.version!r} is an alias of '{tag.name}'",
                fix="Choose another version, or remove the alias",
                tag=str(tag),
            )

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        self.layout.prepare()
        with disk_errors(self.layout.root):
            sweep(self.layout)
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[str]:
        """Give a staging folder for a change, for what else works on the store; disk errors are told as Tiffin's own."""
        with self._changing(), staged(self.layout, "change") as folder:
            yield folder

    def adopt(
        self, folder: str, info: ModelInfo, ledger: WriteLedger, *, origin: str, overwrite: bool = False
    ) -> Model:
        """Publish a version that comes from elsewhere, from a staging folder of `changing`.

        Args:
            folder: the staging folder, with all files but model.yaml, which the caller has compared with the record.
            info: the record.
            ledger: digests of the files.
            origin: where it comes from, for the origin record.
            overwrite: whether a version that exists is replaced, in one step.

        Raises:
            ModelExistsError: the version exists, or its version is an alias.
        """
        from tiffin.info import encode_cached
        from tiffin.plugins import registry
        from tiffin.store._publish import publish

        self.check_free(info.tag, overwrite=overwrite)
        record = publish(self.layout, folder, info, ledger, origin=origin, overwrite=overwrite, operation="import")
        self._catalog.put([make_entry(*record, encode_cached(record[0]))])
        step("import", "cataloged")
        adopted = Model(self, info.name, info.version, record=record)
        registry().broadcast().model_saved(model=adopted)
        return adopted

    def note(self, entries: Iterable[Entry]) -> None:
        """Tell the catalog of records that were just written."""
        self._catalog.put(entries)

    def check_catalog(self) -> bool:
        """Tell whether the catalog is sound or not there; a damaged one is removed, and made again when it is needed."""
        if self._catalog.is_sound() and all(
            os.path.lexists(self.layout.version(row[0], row[1]))
            for row in self._ask(
                None, lambda catalog: catalog.rows(), warn=False
            )  # verify itself names what is no model
        ):
            return True
        self._catalog.delete()
        return False

    def mend_catalog(self, entry: Entry) -> bool:
        """Compare what the catalog holds of a version with what its record says, and put it right.

        Returns:
            Whether it was damaged; it may well be of before a change by hand.
        """
        row, stamp, record = self._catalog.entry(entry.row.name, entry.row.version)
        if row == entry.row and stamp == entry.stamp and record == entry.record:
            return False
        self._catalog.put([entry])
        return row is not None and stamp == entry.stamp

    # -- changing ------------------------------------------------------------------------------------------------------

    def edit(
        self,
        tag: str | Tag,
        *,
        labels: Mapping[str, str | None] | None = None,
        metadata: Mapping[str, Any] | None = None,
        replace: bool = False,
    ) -> Model:
        """Change a version's labels and metadata.

        Args:
            tag: which version.
            labels: labels to set; a value of `None` removes the label.
            metadata: fields to set; a value of `None` removes the field.
            replace: whether those that are not named are removed.

        Returns:
            A handle on the version with the new record.

        Raises:
            ModelNotFoundError: there is no such version.
            LabelError, MetadataError: a value is not allowed.
            RecordError: the record was edited by hand and is not accepted yet.
        """
        import attrs

        from tiffin.info import check_labels, encode_cached
        from tiffin.store._saving import check_metadata

        model = self.get(tag)

        def change(info: ModelInfo) -> ModelInfo:
            if info.edited:
                raise RecordError(
                    f"The record of model '{info.tag}' was edited by hand or damaged",
                    why="Writing it again would make that look intended",
                    fix=f"Look at it, then: tiffin models verify {info.tag} --accept",
                    path=self.layout.record(info.name, info.version),
                )
            if labels is not None:
                info = attrs.evolve(info, labels=check_labels(_merged(info.labels, labels, replace=replace)))
            if metadata is not None:
                info = attrs.evolve(info, metadata=check_metadata(_merged(info.metadata, metadata, replace=replace)))
            return info

        with self._changing():
            record = _changes.edit(self.layout, model.name, model.version, change)
            self._catalog.put([make_entry(*record, encode_cached(record[0]))])
            step("edit", "cataloged")
        return Model(self, model.name, model.version, record=record)

    def delete(self, tag: str | Tag) -> Tag:
        """Delete one version, and the aliases that mean it.

        What has no valid record is deleted too, if named by its full version.

        Returns:
            The tag of what was deleted.

        Raises:
            ModelNotFoundError, AmbiguousTagError: the tag means none, or several.
        """
        from tiffin.plugins import registry

        name = Tag.parse(tag).name
        version = self.resolve(tag)
        registry().broadcast()  # a plugin that cannot be used stops the deletion here
        with self._changing():
            _changes.delete(self.layout, name, version)
            try:
                _aliases.remove_those_of(self.layout, name, version)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                # A disk so full that no lock can be made: they mean nothing now, and gc removes them.
            step("delete", "aliases-removed")
        deleted = Tag(name, version)
        registry().broadcast().model_deleted(tag=deleted)
        return deleted

    def prune(self, name: str, keep: int, *, dry_run: bool = False) -> List[Tag]:
        """Delete all but the newest versions of a name; versions that have an alias stay.

        Args:
            name: the model's name.
            keep: how many of the newest to keep, 0 or more.
            dry_run: whether only to tell.

        Returns:
            The tags of what was deleted, or would be.

        Raises:
            ModelNotFoundError: there is no model of the name.
        """
        if keep < 0:
            raise ValueError(f"keep must be 0 or more, not {keep}")
        versions = self.versions(check_part(name, "model name"))
        if not versions:
            raise self._not_found(Tag(name))
        aliased = set(self.aliases(name).values())
        tags = [Tag(name, version) for version in versions[keep:] if version not in aliased]
        if not dry_run:
            for tag in tags:
                with contextlib.suppress(ModelNotFoundError):  # somebody else deleted it meanwhile
                    self.delete(tag)
        return tags

    # -- aliases -------------------------------------------------------------------------------------------------------

    def set_alias(self, tag: str | Tag, alias: str) -> Model:
        """Let `name:alias` mean the version that `tag` means now; what it meant before does not matter.

        Raises:
            InvalidTagError: `alias` is not allowed, or is a version.
            ModelNotFoundError: there is no such version.
        """
        check_part(alias, "alias")
        model = self.get(tag)
        if alias == LATEST or os.path.lexists(self.layout.version(model.name, alias)):
            why = "It always stands for the newest version" if alias == LATEST else "It is a version of the model"
            raise InvalidTagError(f"{alias!r} cannot be an alias of '{model.name}'", why=why, value=alias)
        with self._changing():
            _aliases.write(self.layout, model.name, alias, model.version)
        return model

    def remove_alias(self, name: str, alias: str) -> None:
        """Remove an alias; the version stays.

        Raises:
            ModelNotFoundError: the name has no such alias.
        """
        with self._changing():
            removed = _aliases.remove(self.layout, check_part(name, "model name"), check_part(alias, "alias"))
        if not removed:
            raise ModelNotFoundError(
                f"'{name}' has no alias {alias!r}",
                fix="It has " + (", ".join(self.aliases(name)) or "none"),
                tag=f"{name}:{alias}",
            )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], *, replace: bool) -> dict[str, Any]:
    merged = {**({} if replace else old), **new}
    return {key: value for key, value in merged.items() if value is not None}

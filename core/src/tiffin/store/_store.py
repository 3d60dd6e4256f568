"""ModelStore: one store, and all that can be done with its models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin._home import home
from tiffin._model import Model, Row, Stamp
from tiffin.exceptions import (
    AmbiguousTagError,
    InvalidTagError,
    ModelExistsError,
    ModelNotFoundError,
    ModelTypeError,
    ReadOnlyStoreError,
    RecordError,
    StorageFullError,
)
from tiffin.store import _aliases, _changes, _records
from tiffin.store._catalog import Catalog, Entry
from tiffin.store._layout import Layout, disk_errors, step
from tiffin.store._scan import entry_of, make_entry, refresh, refresh_name
from tiffin.store._staging import staged, sweep
from tiffin.tags import LATEST, Tag, check_part

if TYPE_CHECKING:
    from types import ModuleType

    from tiffin._files import WriteLedger
    from tiffin.info import ModelInfo
    from tiffin.trust import TrustReport

_MISSING: Any = object()
List = list  # within the class below, `list` is a method


class NewFolder:
    """A raw folder of files that is being made; see `ModelStore.create`.

    Attributes:
        path: the folder to write to.
        tag: the tag that the version will have.
        labels, metadata: may be changed until the end of the block.
        model: the handle on the version, once it is published.
    """

    def __init__(self, path: Path, tag: Tag, labels: dict[str, str], metadata: dict[str, Any]) -> None:
        self.path = path
        self.tag = tag
        self.labels = labels
        self.metadata = metadata
        self.model: Model | None = None


class ModelStore:
    """A store of models in one folder. Several processes and threads may use it at once.

    Args:
        path: the store's folder; `None` stands for `store` below $TIFFIN_HOME (default ~/.tiffin). Made by the first save.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path).absolute() if path is not None else home() / "store"
        self.layout = Layout(str(self.path))
        self._catalog = Catalog(self.layout)

    def __repr__(self) -> str:
        return f"ModelStore({str(self.path)!r})"

    # -- what handles ask ----------------------------------------------------------------------------------------------

    @property
    def models_folder(self) -> str:
        """The folder that holds `<name>/<version>/`."""
        return self.layout.models

    def stamp(self, name: str, version: str) -> Stamp | None:
        """Return by what a version's record is known to be unchanged; `None` where there is none."""
        return _records.stamp_of(self.layout.record(name, version))

    def read_record(self, name: str, version: str) -> tuple[ModelInfo, Stamp]:
        """Return a version's record and its stamp, from the catalog where that holds it as it is on disk.

        Raises:
            ModelNotFoundError, RecordError: there is no valid record.
        """
        from tiffin.info import decode_cached

        stamp = self.stamp(name, version)
        cached = self._catalog.record(name, version, stamp) if stamp is not None else None
        if cached is not None and stamp is not None:
            return decode_cached(cached), stamp
        entry = entry_of(self.layout, name, version)
        self._catalog.put([entry])
        return decode_cached(entry.record), entry.stamp

    def origin(self, content_digest: str) -> Mapping[str, Any] | None:
        """Return how the store got a content, `None` where that is not known.

        Raises:
            StoreError: the note is damaged.
        """
        from tiffin.store import _origins

        return _origins.read(self.layout, content_digest)

    def record_trust(self, content_digest: str, how: str) -> None:
        """Note that a content is trusted by who runs this program; a store that may not be written to notes nothing."""
        with contextlib.suppress(ReadOnlyStoreError, StorageFullError):
            self._set_trust(content_digest, how)

    def blob(self, sha256: str) -> str:
        """Return the path of the blob with this digest; it need not exist."""
        return self.layout.blob(sha256)

    # -- trust ---------------------------------------------------------------------------------------------------------

    def inspect(self, tag: str | Tag) -> TrustReport:
        """Return what a version's files would import, and whether it may be loaded; loads nothing.

        Raises:
            ModelNotFoundError, AmbiguousTagError, RecordError: the tag means no valid version.
            StoreError: its origin record is damaged.
        """
        from tiffin.trust import report

        model = self.get(tag)
        return report(model.path, model.info, self.origin(model.info.compute_digest()))

    def trust(self, tag: str | Tag, *, how: str = "trust()") -> Model:
        """Let a version from elsewhere be loaded, whatever code it runs. Holds for its content, under every tag.

        Args:
            tag: which version.
            how: by which command or call, for the record.

        Raises:
            ModelNotFoundError: there is no such version.
            UntrustedModelError: its files are not those that its record lists, so it cannot be told what is trusted.
            ReadOnlyStoreError: trust cannot be noted.
        """
        from tiffin.trust import check_content

        model = self.get(tag)
        check_content(self, model.path, model.info)
        self._set_trust(model.info.compute_digest(), how)
        return model

    def untrust(self, tag: str | Tag) -> Model:
        """Take back what `trust` gave. What was saved here is trusted all the same.

        Raises:
            ModelNotFoundError: there is no such version.
        """
        from tiffin.store import _origins

        model = self.get(tag)
        with self.changing() as folder:
            _origins.set_trust(self.layout, folder, model.info.compute_digest(), None)
        return model

    def _set_trust(self, content_digest: str, how: str) -> None:
        from tiffin._origin import signer
        from tiffin.store import _origins

        with self.changing() as folder:
            trusted = {"kind": "hand", "by": signer(), "how": how}
            _origins.set_trust(self.layout, folder, content_digest, trusted)

    # -- finding -------------------------------------------------------------------------------------------------------

    def list(
        self,
        name: str | None = None,
        *,
        labels: Mapping[str, str | None] | None = None,
        framework: str | None = None,
    ) -> List[Model]:
        """Return handles on the versions in the store, by name, newest first.

        Args:
            name: only this name's; a name that is not in the store has none. May be a tag: then what it resolves to.
            labels: only those that have all these labels; a value of `None` stands for any value.
            framework: only those that this adapter saved.

        Raises:
            ModelNotFoundError: `name` is a tag with a version that is not there.

        Warns:
            StoreWarning: something in the store is not a model; it is passed over.
        """
        self.layout.check_format()
        if name is not None and ":" in str(name):
            found = [self.get(str(name))]
        else:
            checked = check_part(str(name), "model name") if name is not None else None
            source: Any = self
            found = [
                Model(source, row[0], row[1], row=Row._make(row)) for row in self._up_to_date(checked).rows(checked)
            ]
        if framework is not None:
            found = [model for model in found if model.framework == framework]
        if labels:
            wanted = labels.items()
            found = [model for model in found if _has_labels(model.labels, wanted)]
        return found

    def _up_to_date(self, name: str | None = None) -> Catalog:
        # A catalog that cannot be written to (locked, full disk) is of no use for what has changed: read again, in memory.
        for catalog in (self._catalog, Catalog(self.layout, in_memory=True)):
            catalog.failed = False
            if name is None:
                refresh(self.layout, catalog)
            else:
                refresh_name(self.layout, catalog, name)
            if not catalog.failed:
                break
        return catalog

    def get(self, tag: str | Tag) -> Model:
        """Return the handle on one version.

        Args:
            tag: `name` or `name:latest` for the newest; `name:version`, `name:alias`, or a unique beginning of a version.

        Raises:
            InvalidTagError: `tag` breaks the naming rules.
            ModelNotFoundError: there is no such model.
            AmbiguousTagError: several versions begin so.
            RecordError: the version's record is not valid.
        """
        tag = Tag.parse(tag)
        self.layout.check_format()
        version = self.resolve(tag)
        return Model(self, tag.name, version, record=self.read_record(tag.name, version))

    def resolve(self, tag: str | Tag) -> str:
        """Return the version that a tag means.

        Raises:
            ModelNotFoundError, AmbiguousTagError: it means none, or several.
        """
        tag = Tag.parse(tag)
        name, wanted = tag.name, tag.version
        if wanted is None or wanted == LATEST:
            newest = self._up_to_date(name).newest(name)
            if newest is None:
                raise self._not_found(tag)
            return newest
        if os.path.exists(self.layout.record(name, wanted)):
            return wanted
        alias = _aliases.read(self.layout, name, wanted)
        if alias is not None and os.path.exists(self.layout.record(name, alias)):
            return alias
        versions = self.versions(name)
        begin = [version for version in versions if version.startswith(wanted)]
        if len(begin) == 1:
            return begin[0]
        if begin:
            raise AmbiguousTagError(
                f"'{tag}' could be {len(begin)} versions: {', '.join(begin[:5])}{', …' if len(begin) > 5 else ''}",
                fix="Give more of the version",
                tag=str(tag),
                versions=tuple(begin),
            )
        if os.path.isdir(self.layout.version(name, wanted)):
            return wanted  # not a model; whoever reads its record says why
        raise self._not_found(tag)

    def versions(self, name: str) -> List[str]:
        """Return the versions of a name, newest first; none where the name is not in the store."""
        return [row[1] for row in self._up_to_date(name).rows(name)]

    def names(self) -> List[str]:
        """Return the names of the models in the store."""
        return sorted({row[0] for row in self._up_to_date().rows()})

    def _not_found(self, tag: Tag) -> ModelNotFoundError:
        versions = self.versions(tag.name)
        if versions:
            aliases = self.aliases(tag.name)
            known = ", ".join([*aliases, *versions][:6]) + (", …" if len(aliases) + len(versions) > 6 else "")
            fix = f"'{tag.name}' has {known}"
        else:
            names = self.names()
            close = get_close_matches(tag.name, names, 3)
            fix = (
                "Did you mean " + " or ".join(repr(name) for name in close) + "?"
                if close
                else "Try: tiffin models list"
            )
        return ModelNotFoundError(
            f"Model '{tag}' was not found", why=f"The store is {self.path}", fix=fix, tag=str(tag)
        )

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
        new.model = Model(self, info.name, info.version, record=(info, stamp))
        registry().broadcast().model_saved(model=new.model)

    def _describe(
        self, name: str | Tag, labels: Mapping[str, str] | None, metadata: Mapping[str, Any] | None, *, overwrite: bool
    ) -> Any:
        from tiffin.store import _saving

        tag = Tag.parse(name)
        if LATEST in (tag.name, tag.version):
            raise InvalidTagError(
                f"'{tag}' cannot be saved",
                why=f"{LATEST!r} stands for the newest version",
                fix="Leave the version out to have one made",
                value=str(tag),
            )
        description = _saving.Description(tag.name, tag.version, labels, metadata)
        if tag.version is not None:
            self._refuse_taken(tag, overwrite=overwrite)
        return description

    def _refuse_taken(self, tag: Tag, *, overwrite: bool) -> None:
        assert tag.version is not None
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

        self._refuse_taken(Tag(info.name, info.version), overwrite=overwrite)
        record = publish(self.layout, folder, info, ledger, origin=origin, overwrite=overwrite, operation="import")
        self._catalog.put([make_entry(*record, encode_cached(record[0]))])
        step("import", "cataloged")
        adopted = Model(self, info.name, info.version, record=record)
        registry().broadcast().model_saved(model=adopted)
        return adopted

    def note(self, entries: Iterable[Entry]) -> None:
        """Tell the catalog of records that were just written."""
        self._catalog.put(entries)

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
            for alias, target in _aliases.of_name(self.layout, name).items():
                if target == version:
                    _aliases.remove(self.layout, name, alias)
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

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias → version of a name; aliases whose version is gone are left out."""
        found = _aliases.of_name(self.layout, check_part(name, "model name"))
        return {alias: version for alias, version in found.items() if os.path.exists(self.layout.record(name, version))}


def _has_labels(labels: Mapping[str, str], wanted: Iterable[tuple[str, str | None]]) -> bool:
    return all(key in labels and (value is None or labels[key] == value) for key, value in wanted)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], *, replace: bool) -> dict[str, Any]:
    merged = {**({} if replace else old), **new}
    return {key: value for key, value in merged.items() if value is not None}

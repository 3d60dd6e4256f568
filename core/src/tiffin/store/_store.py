"""ModelStore: one store, and all that can be done with its models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import ReadOnlyStoreError, StorageFullError
from tiffin.home import home
from tiffin.model import Model, Stamp
from tiffin.origin import signer
from tiffin.store._blobs import Blobs
from tiffin.store._catalog import Entry
from tiffin.store._changing import changing
from tiffin.store._downloads import Downloads
from tiffin.store._finding import Finder
from tiffin.store._layout import Layout
from tiffin.store._new_folder import NewFolder
from tiffin.store._staging import staged
from tiffin.store._writing import Writer
from tiffin.tags import Tag, check_part

if TYPE_CHECKING:
    from tiffin.files import WriteLedger
    from tiffin.info import ModelInfo
    from tiffin.store.request import SaveRequest
    from tiffin.trust import TrustReport

List = list  # within the class below, `list` is a method


class ModelStore:
    """A store of models in one folder. Several processes and threads may use it at once.

    Its parts do the work, and this class makes handles of what they answer.

    Args:
        path: the store's folder; `None` stands for `store` below $TIFFIN_HOME (default ~/.tiffin). Made by the first save.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path).absolute() if path is not None else home() / "store"
        self.layout = Layout(str(self.path))
        self.finder = Finder(self.layout)
        self.writer = Writer(self.finder)
        self.blobs = Blobs(self.layout)
        self.downloads = Downloads(self.layout)

    def __reduce__(self) -> Any:
        return ModelStore, (str(self.path),)

    def __repr__(self) -> str:
        return f"ModelStore({str(self.path)!r})"

    # -- what handles ask ----------------------------------------------------------------------------------------------

    @property
    def models_folder(self) -> str:
        """The folder that holds `<name>/<version>/`."""
        return self.layout.models

    def stamp(self, name: str, version: str) -> Stamp | None:
        """Return by what a version's record is known to be unchanged; `None` where there is none."""
        return self.finder.stamp(name, version)

    def read_record(self, name: str, version: str) -> tuple[ModelInfo, Stamp]:
        """Return a version's record and its stamp, from the catalog where that holds it as it is on disk.

        Raises:
            ModelNotFoundError, RecordError: there is no valid record.
        """
        return self.finder.read_record(name, version)

    def origin(self, content_digest: str) -> Mapping[str, Any] | None:
        """Return how the store got a content, `None` where that is not known.

        Raises:
            StoreError: the note is damaged.
        """
        from tiffin.store._origins import Origins

        return Origins(self.layout).read(content_digest)

    def record_trust(self, content_digest: str, how: str) -> None:
        """Note that a content is trusted by who runs this program; a store that may not be written to notes nothing."""
        with contextlib.suppress(ReadOnlyStoreError, StorageFullError):
            self.set_trust(content_digest, {"kind": "hand", "by": signer(), "how": how})

    def blob(self, sha256: str) -> str:
        """Return the path of the blob with this digest; it need not exist."""
        return self.layout.blob(sha256)

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
            name: only this name's. May be a tag: then what it resolves to.
            labels: only those that have all these labels; a value of `None` stands for any value.
            framework: only those that this adapter saved.

        Raises:
            ModelNotFoundError: there is no model of the name, or no such version.

        Warns:
            StoreWarning: something in the store is not a model; it is passed over.
        """
        if name is not None and ":" in str(name):
            found = [self.get(str(name))]
        else:
            rows = self.finder.rows(None if name is None else str(name))
            found = [Model(self, row.name, row.version, row=row) for row in rows]
            if name is not None and not found:
                raise self.finder.not_found(Tag(str(name)))
        if framework is not None:
            found = [model for model in found if model.framework == framework]
        if labels:
            wanted = labels.items()
            found = [model for model in found if _has_labels(model.labels, wanted)]
        return found

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
        name, version, record = self.finder.find(tag)
        return Model(self, name, version, record=record)

    def resolve(self, tag: str | Tag) -> str:
        """Return the version that a tag means.

        Raises:
            ModelNotFoundError, AmbiguousTagError: it means none, or several.
        """
        return self.finder.resolve(tag)

    def versions(self, name: str) -> List[str]:
        """Return the versions of a name, newest first; none where the name is not in the store."""
        return self.finder.versions(name)

    def names(self) -> List[str]:
        """Return the names of the models in the store."""
        return self.finder.names()

    # -- saving and changing -------------------------------------------------------------------------------------------

    def save(self, name: str | Tag, model: object, **arguments: Any) -> Model:
        """Save an object as a new version; see `tiffin.save`, of which this takes the arguments but `store`."""
        from tiffin.store.request import SaveRequest

        return self.save_requested(SaveRequest.of(name, model, arguments))

    def save_requested(self, request: SaveRequest) -> Model:
        """Save the object of a request as a new version."""
        return self._saved(self.writer.save(request))

    @contextlib.contextmanager
    def create(
        self,
        name: str | Tag,
        *,
        labels: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        card: str | None = None,
        overwrite: bool = False,
        **said: Any,
    ) -> Iterator[NewFolder]:
        """Make a version of a raw folder of files, without an adapter.

        Within the block write to `.path`; at its end the version is published, and an exception publishes nothing.

        Args:
            name: `name`, or `name:version`.
            labels, metadata, card: as for `save`.
            overwrite: whether an existing version is replaced, in one step.
            said: `signatures`, `options`, `custom_objects` and `external_modules`, as `tiffin.models.create` has them.

        Raises:
            ModelExistsError: the explicit version exists.
            StoreError: the folder holds links or special files.
        """
        with self.writer.create(name, labels, metadata, card, overwrite=overwrite, **said) as (new, record):
            yield new
        new.model = self._saved(*record)

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
        return self._saved(self.writer.adopt(folder, info, ledger, origin=origin, overwrite=overwrite))

    def _saved(self, record: tuple[ModelInfo, Stamp]) -> Model:
        from tiffin.plugins import registry

        model = Model(self, record[0].name, record[0].version, record=record)
        registry().broadcast().model_saved(model=model)
        return model

    def check_free(self, tag: Tag, *, overwrite: bool = False) -> None:
        """Refuse a tag that no new version can have.

        Args:
            tag: the name, and the version where one is asked for.
            overwrite: whether a version that exists would be replaced.

        Raises:
            InvalidTagError: it is `latest`, which stands for the newest version.
            ModelExistsError: the version exists, or is an alias.
        """
        self.writer.check_free(tag, overwrite=overwrite)

    @contextlib.contextmanager
    def changing(self) -> Iterator[str]:
        """Give a staging folder for a change, for what else works on the store; disk errors are told as Tiffin's own."""
        with changing(self.layout), staged(self.layout, "change") as folder:
            yield folder

    def edit(
        self,
        tag: str | Tag,
        *,
        labels: Mapping[str, str | None] | None = None,
        metadata: Mapping[str, Any] | None = None,
        card: str | None = None,
        replace: bool = False,
    ) -> Model:
        """Change a version's labels, metadata and card.

        Args:
            tag: which version.
            labels: labels to set; a value of `None` removes the label.
            metadata: fields to set; a value of `None` removes the field.
            card: the text to set; an empty one removes it.
            replace: whether labels and fields that are not named are removed.

        Returns:
            A handle on the version with the new record.

        Raises:
            ModelNotFoundError: there is no such version.
            LabelError, MetadataError: a value is not allowed.
            RecordError: the record was edited by hand and is not accepted yet.
        """
        name, version, _ = self.finder.find(tag)
        record = self.writer.edit(name, version, labels, metadata, card, replace=replace)
        return Model(self, name, version, record=record)

    def delete(self, tag: str | Tag, *, force: bool = False, now: bool = False) -> List[Tag]:
        """Delete one version, or all versions of a name; they can be had back for some days: see `tiffin.store.trash`.

        What has no valid record is deleted too, if named by its full version.

        Args:
            tag: a name alone stands for all its versions; those that an alias means are spared unless forced.
            force: whether versions that an alias means are deleted, too, and these aliases with them.
            now: whether what they alone have is freed at once, and they cannot be had back.

        Returns:
            The tags of what was deleted.

        Raises:
            ModelNotFoundError, AmbiguousTagError: the tag means none, or several.
            AliasedVersionError: it means one version which has an alias, and `force` is false.

        Warns:
            StoreWarning: a version was spared.
        """
        return self.writer.delete(tag, force=force, now=now)

    def check_deletable(self, tag: Tag) -> None:
        """Refuse what `delete` would refuse without force: a version that an alias means.

        Raises:
            AliasedVersionError: an alias means it.
        """
        aliases = [alias for alias, version in self.aliases(tag.name).items() if version == tag.version]
        if aliases:
            from tiffin.store._changes import aliased_error

            raise aliased_error(tag.name, str(tag.version), aliases)

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
        return self.writer.prune(name, keep, dry_run=dry_run)

    # -- aliases -------------------------------------------------------------------------------------------------------

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias → version of a name; aliases whose version is gone are left out."""
        return self.finder.aliases_of(name)

    def all_aliases(self) -> dict[tuple[str, str], List[str]]:
        """Return (name, version) → the aliases that mean it, of the whole store."""
        return self.finder.aliases.by_version()

    def set_alias(self, tag: str | Tag, alias: str) -> Model:
        """Let `name:alias` mean the version that `tag` means now; what it meant before does not matter.

        Raises:
            InvalidTagError: `alias` is not allowed, or is a version.
            ModelNotFoundError: there is no such version.
        """
        check_part(alias, "alias")
        model = self.get(tag)
        self.writer.set_alias(model.name, alias, model.version)
        return model

    def remove_alias(self, name: str, alias: str) -> None:
        """Remove an alias; the version stays.

        Raises:
            ModelNotFoundError: the name has no such alias.
        """
        self.writer.remove_alias(name, alias)

    # -- trust ---------------------------------------------------------------------------------------------------------

    def inspect(self, tag: str | Tag) -> TrustReport:
        """Return what a version's files would import, and whether it may be loaded; loads nothing.

        Raises:
            ModelNotFoundError, AmbiguousTagError, RecordError: the tag means no valid version.
        """
        from tiffin.trust import report

        model = self.get(tag)
        return report(self, model.path, model.info)

    def trust(self, tag: str | Tag, *, content_digest: str | None = None, how: str = "tiffin.models.trust") -> Model:
        """Let a version from elsewhere be loaded, whatever code it runs. Holds for its content, under every tag.

        Args:
            tag: which version.
            content_digest: of the content that was looked at, as `inspect` tells it; another content is not trusted.
            how: by which command or call, for the record.

        Raises:
            ModelNotFoundError: there is no such version.
            UntrustedModelError: its content is another one, or its files are not those that its record lists, so that it
                cannot be told what is trusted.
            ReadOnlyStoreError: trust cannot be noted.
        """
        from tiffin.trust import check_content, check_shown

        model = self.get(tag)
        digest = check_shown(model.info, content_digest)
        check_content(self, model.path, model.info)
        self.set_trust(digest, {"kind": "hand", "by": signer(), "how": how})
        return model

    def untrust(self, tag: str | Tag) -> Model:
        """Take back what `trust` gave. What was saved here is trusted all the same.

        Raises:
            ModelNotFoundError: there is no such version.
        """
        model = self.get(tag)
        self.set_trust(model.info.compute_digest(), None)
        return model

    def set_trust(self, content_digest: str, trusted: Mapping[str, str] | None) -> None:
        """Note that a content is trusted, or no longer.

        Args:
            content_digest: the digest of a version's content, computed and not only read.
            trusted: `kind` ("hand"), `by` whom and `how`; `None` takes trust back.

        Raises:
            ReadOnlyStoreError, StorageFullError: it cannot be noted.
        """
        from tiffin.store._journal import changing_name
        from tiffin.store._origins import Origins

        with self.changing() as folder:
            Origins(self.layout).set_trust(folder, content_digest, trusted)
            for name, version in self.finder.catalog.holders(content_digest):
                with changing_name(self.layout, name) as notes:
                    notes.add("trusted" if trusted else "untrusted", version=version, how=(trusted or {}).get("how"))

    # -- attestations --------------------------------------------------------------------------------------------------

    def attestations(self, content_digest: str) -> List[bytes]:
        """Return the attestations of a content, always in the same order. What they prove is not looked at."""
        from tiffin.store._attestations import Attestations

        return Attestations(self.layout).read_all(content_digest)

    def add_attestation(self, info: ModelInfo, data: bytes, *, path: str = "This", own: bool = False) -> bool:
        """Keep an attestation of a model's content; a trusted key's takes the place of one that proves nothing.

        Args:
            info: the model's record; the version need not be in the store yet.
            data: the attestation, in a format that an installed plugin knows, or in any.
            path: where it is from, for errors.
            own: whether it was made here just now; it counts as one of a trusted key's.

        Returns:
            Whether it is new here.

        Raises:
            BadSignatureError: it is malformed, or is about other content.
            TooManySignaturesError: as many as are kept are there, and it takes the place of none.
            ReadOnlyStoreError, StorageFullError: it cannot be kept.

        Warns:
            PluginWarning: no installed plugin can tell what it is about; it is kept all the same.
        """
        from tiffin.store._attestations import add_checked

        return add_checked(self, info, data, path, own=own)

    def take_attestations(self, info: ModelInfo, found: Iterable[tuple[str, bytes]]) -> None:
        """Keep attestations of somebody else's: where each is from, and its bytes. Warns of what is left out."""
        from tiffin.store._attestations import take_all

        take_all(self, info, found)

    signatures = attestations
    """The name that `attestations` had before."""
    add_signature = add_attestation
    """The name that `add_attestation` had before."""

    # -- examples ------------------------------------------------------------------------------------------------------

    def examples(self, content_digest: str) -> bytes | None:
        """Return the file of a content's examples as it is kept, `None` where there is none; see `tiffin.examples`."""
        from tiffin.store._examples import KeptExamples

        return KeptExamples(self.layout).read(content_digest)

    def take_examples(self, info: ModelInfo, data: bytes | None, where: str) -> None:
        """Keep examples that came with a model from elsewhere, unless there are some; warns of what is none."""
        from tiffin.store._examples import take

        take(self, info, data, where)

    # -- for who looks after the store ---------------------------------------------------------------------------------

    def note(self, entries: Iterable[Entry]) -> None:
        """Tell the catalog of records that were just written."""
        self.finder.catalog.put(entries)

    def check_catalog(self) -> bool:
        """Tell whether the catalog is sound or not there; a damaged one is removed, and made again when it is needed."""
        return self.finder.check_catalog()

    def mend_catalog(self, entry: Entry) -> bool:
        """Compare what the catalog holds of a version with what its record says, and put it right.

        Returns:
            Whether it was damaged; it may well be of before a change by hand.
        """
        return self.finder.catalog.mend(entry)


def _has_labels(labels: Mapping[str, str], wanted: Iterable[tuple[str, str | None]]) -> bool:
    return all(key in labels and (value is None or labels[key] == value) for key, value in wanted)

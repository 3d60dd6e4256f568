"""Model: the handle on one stored version.

A handle is cheap: a list of a hundred thousand is made in about a second, so whatever costs more than a field is read when
it is asked for, and nothing slow is imported for a list.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tiffin.exceptions import (
    AdapterNotFoundError,
    EditedRecordWarning,
    NotBatchableWarning,
    PartialKwargsError,
    RecordError,
    SignatureError,
    StoreError,
    VersionMismatchWarning,
)
from tiffin.files import unreadable
from tiffin.model._custom_objects import CustomObjects
from tiffin.model._elsewhere import found
from tiffin.model._path_of import path_of
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.plugins import Adapter
    from tiffin.runners import Runnable, Runner
    from tiffin.trust import PartReader

RETRIES = 20
"""How often a load is tried again when the version is overwritten meanwhile."""


class Stamp(NamedTuple):
    """By what a record's file is known to be unchanged: mtime in nanoseconds, size in bytes, inode."""

    mtime_ns: int
    size: int
    inode: int


class Row(NamedTuple):
    """What a list needs to know of a version; the order is that of the catalog's columns.

    Attributes:
        name, version: the tag.
        created: creation time in microseconds since 1970, UTC.
        since: the time that its age counts from, as `created`: its creation, at most its arrival in this store.
        framework: the adapter's name.
        size: bytes of all files.
        labels: JSON.
        edited: 1 where the record is not as Tiffin wrote it.
    """

    name: str
    version: str
    created: int
    since: int
    framework: str
    size: int
    labels: str
    edited: int


class ModelSource(Protocol):
    """What a handle asks of the store that made it."""

    @property
    def models_folder(self) -> str:
        """The folder that holds `<name>/<version>/`."""

    def read_record(self, name: str, version: str) -> tuple[ModelInfo, Stamp]:
        """Return a version's record as it is now, and its stamp; raises ModelNotFoundError where it is gone."""

    def stamp(self, name: str, version: str) -> Stamp | None:
        """Return the stamp of a version's record now, `None` where it is gone."""

    def origin(self, content_digest: str) -> Mapping[str, Any] | None:
        """Return how the store got a content; raises StoreError where that is damaged."""

    def record_trust(self, content_digest: str, how: str) -> None:
        """Note that a content is trusted, if the store may be written to."""

    def attestations(self, content_digest: str) -> list[bytes]:
        """Return the attestations of a content; what they prove is not looked at."""

    def blob(self, sha256: str) -> str:
        """Return the path of the blob with this digest; it need not exist."""


class Model:
    """The handle on one stored version. Made by `tiffin.get`, `tiffin.save` and `tiffin.models.list`.

    Holds no files open. After the version was deleted, everything that reads it raises ModelNotFoundError.
    """

    __module__ = "tiffin"  # pickles hold the public name, wherever the file is

    __slots__ = ("_info", "_objects", "_options", "_path", "_row", "_source", "_stamp", "name", "version")

    name: str
    version: str

    def __init__(
        self,
        source: ModelSource,
        name: str,
        version: str,
        *,
        row: Row | None = None,
        record: tuple[ModelInfo, Stamp] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = source
        self._path: Path | None = None
        self.name = name
        self.version = version
        self._row = row
        self._info: ModelInfo | None = record[0] if record is not None else None
        self._stamp: Stamp | None = record[1] if record is not None else None
        self._options = options
        self._objects: CustomObjects | None = None

    def __reduce__(self) -> Any:
        # A copy in another process finds the version by its name; what was read of it here stays here.
        return _rebuild, (self._source, self.name, self.version, self._options)

    def __repr__(self) -> str:
        return f"Model(tag={self.name + ':' + self.version!r}, path={str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model):
            return NotImplemented
        return self._key() == other._key() and self._options == other._options

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, str]:
        return self._source.models_folder, self.name, self.version

    # -- what is known -------------------------------------------------------------------------------------------------

    @property
    def tag(self) -> Tag:
        """The full tag, `name:version`."""
        return Tag(self.name, self.version)

    @property
    def path(self) -> Path:
        """The version's folder. Its files are read-only and may be shared with other versions: copy before changing."""
        if self._path is None:
            self._path = Path(self._source.models_folder, self.name, self.version)
        return self._path

    def path_of(self, item: str | os.PathLike[str]) -> Path:
        """Return the path of one of the model's files, or of a folder of them.

        Args:
            item: path below the version's folder, as the record lists it; "/" stands for the folder itself.

        Raises:
            StoreError: the record lists neither such a file nor one in such a folder.
        """
        return path_of(item, self.path, f"The model '{self.tag}'", self.info.files)

    @property
    def info(self) -> ModelInfo:
        """The record, with the options of this handle. Read when it is first asked for.

        Raises:
            ModelNotFoundError: the version is gone.
            RecordError: the record is not valid.
        """
        if self._info is None:
            self._read()
        assert self._info is not None
        if self._options is not None:
            import attrs

            return attrs.evolve(self._info, options=dict(self._options))
        return self._info

    def _read(self) -> None:
        self._info, self._stamp = self._source.read_record(self.name, self.version)

    @property
    def labels(self) -> dict[str, str]:
        """The labels, a new dict; change them with `tiffin.models.label`."""
        if self._info is None and self._row is not None:
            labels: dict[str, str] = json.loads(self._row.labels)
            return labels
        return dict(self.info.labels)

    @property
    def framework(self) -> str:
        """The adapter that saved it; empty for a raw folder of files."""
        return self._row.framework if self._info is None and self._row is not None else self.info.framework

    @property
    def creation_time(self) -> datetime.datetime:
        """When it was saved, in UTC."""
        if self._info is None and self._row is not None:
            return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(microseconds=self._row.created)
        return self.info.creation_time

    @property
    def size(self) -> int:
        """Bytes of all files, shared ones included."""
        return self._row.size if self._info is None and self._row is not None else self.info.size

    @property
    def edited(self) -> bool:
        """Whether the record is not as Tiffin wrote it: edited by hand, or damaged."""
        return bool(self._row.edited) if self._info is None and self._row is not None else self.info.edited

    # -- use -----------------------------------------------------------------------------------------------------------

    def load(self, *, trust: bool = False) -> Any:
        """Load the model with the adapter that saved it, and return the object; a new one at each call.

        Loading imports the framework, and can run code that is stored in the model's files. Of a model from elsewhere with
        such files, which is not trusted, none is run: it is built, of what the installed adapters list, or refused.

        Args:
            trust: whether you trust who made it. This is noted in the store, for this content and from then on. It does not
                count where the trust policy says so; see `tiffin.config.trust_policy`.

        Raises:
            UntrustedModelError: it comes from elsewhere, could run code, and is not trusted. Nothing of it was loaded.
            ModelNotFoundError: the version is gone.
            AdapterNotFoundError: its adapter is not installed.
            RecordError: the record is damaged in what loading depends on.
            StoreError: it is a raw folder of files, which no adapter loads.

        Warns:
            VersionMismatchWarning: the framework is installed in another version than the recorded one.
            EditedRecordWarning: the record was edited by hand.
        """
        from tiffin import pickling
        from tiffin.info import options_from
        from tiffin.plugins import registry

        adapter = self._adapter()

        def read(info: ModelInfo) -> Any:
            read = self._check_trust(trust=trust)
            options = options_from(adapter.info.options, info.options)
            with pickling.saved_by(info.context.python_version):
                return adapter.load(
                    self.path, options, trusted=read is None, read=read, custom_objects=self.custom_objects
                )

        loaded = self._settled(read, "load it")
        self._warn(adapter)
        registry().broadcast().model_loaded(model=self, obj=loaded)
        return loaded

    load_model = load
    """`load`, as it is called beside `save_model`."""

    def _check_trust(self, name: str | None = None, *, trust: bool = False) -> PartReader | None:
        from tiffin.trust import check

        assert self._info is not None  # the record itself: `info` may have other options
        return check(self._source, self.path, self._info, name, trust=trust)

    def _adapter(self) -> Adapter:
        from tiffin.hints import install_hint
        from tiffin.plugins import registry

        framework = self.info.framework
        if not framework:
            raise StoreError(
                f"The model '{self.tag}' is a raw folder of files, which no adapter loads",
                fix="Read its files below model.path",
                path=str(self.path),
            )
        plugins = registry()
        if not plugins.has(framework):
            raise AdapterNotFoundError(
                f"Model '{self.tag}' was saved by the adapter {framework!r}, which is not installed "
                f"(installed: {', '.join(plugins.names()) or 'none'})",
                fix=install_hint(framework) or "Ask who saved it which package brings the adapter",
                plugin=framework,
            )
        return plugins.adapter(framework)

    def _settled(self, read: Any, purpose: str) -> Any:
        """Return what `read(info)` returns, done again where the version was overwritten meanwhile."""
        for _ in range(RETRIES):
            if self._info is None or self._stamp != self._source.stamp(self.name, self.version):
                self._read()  # where it was deleted, this says so
            if self._info is not None and self._info.edited:
                self._check_edited(self._info)
            failure: Exception | None = None
            result = None
            try:
                result = read(self.info)
            # While it is overwritten, files of two versions may be read together, and an adapter may fail at that in any
            # way. It counts only if the version stayed what it was.
            except Exception as error:  # noqa: BLE001
                failure = error
            now = self._source.stamp(self.name, self.version)
            if now == self._stamp or (now is None and failure is None):  # unchanged, or deleted after all was read
                if isinstance(failure, PermissionError) and str(failure.filename).startswith(str(self.path)):
                    raise unreadable(f"The model '{self.tag}'", failure, str(self.path)) from failure
                if failure is not None:
                    raise failure
                return result
        raise StoreError(
            f"Could not read model '{self.tag}' to {purpose}: it was changed {RETRIES} times meanwhile",
            fix="Save new versions instead of overwriting one that is in use",
            path=str(self.path),
        )

    def _check_edited(self, info: ModelInfo) -> None:
        if info.content_digest != info.compute_digest():
            raise RecordError(
                f"The record of model '{self.tag}' was edited by hand or damaged in what loading depends on",
                why="Its framework, options, signatures or files are not those that were saved",
                fix=f"Look at it, then: tiffin models verify {self.tag} --accept",
                path=str(self.path / "model.yaml"),
            )
        warnings.warn(
            f"The record of model '{self.tag}' was edited by hand or damaged. If you meant it: "
            f"tiffin models verify {self.tag} --accept",
            EditedRecordWarning,
            stacklevel=4,
        )

    def _warn(self, adapter: Adapter) -> None:
        for name, (saved, now) in self.info.context.changed(adapter.info.distributions).items():
            warnings.warn(
                f"Model '{self.tag}' was saved with {name} {saved}, and {now or 'no version of it'} is installed. "
                "It may behave differently, or fail",
                VersionMismatchWarning,
                stacklevel=3,
            )

    @property
    def custom_objects(self) -> Mapping[str, Any]:
        """The custom objects by name, each loaded when it is first asked for.

        Loading can run code, and is refused where the model is not trusted, as `load` does it.
        """
        if self._objects is None:
            self._objects = CustomObjects(self, self._load_object)
        return self._objects

    def _load_object(self, name: str) -> Any:
        from tiffin import pickling
        from tiffin.info import options_from
        from tiffin.plugins import registry

        def read(info: ModelInfo) -> Any:
            read = self._check_trust(name)
            entry = info.custom_objects[name]
            folder = self.path / entry.path
            with pickling.saved_by(info.context.python_version):
                if not entry.framework:
                    item = entry.options.get("item")
                    if read is not None:
                        return read.item("model.pkl", item)
                    return pickling.load(folder) if item is None else pickling.load_item(folder, item)
                adapter = registry().adapter(entry.framework)
                options = options_from(adapter.info.options, entry.options)
                return adapter.load(folder, options, trusted=read is None, read=read)

        return self._settled(read, f"load its custom object {name!r}")

    def with_options(self, **options: Any) -> Model:
        """Return a handle on the same version with other options; the stored ones stay as they are.

        Args:
            options: options of its adapter, and `partial_kwargs`: method → keyword arguments. Each replaces the recorded
                value.

        Raises:
            SignatureError: the adapter has no such option.
            PartialKwargsError: partial kwargs name a method that the model's signatures do not have.
        """
        from tiffin.info import options_from, options_to_dict

        info = self.info
        adapter = self._adapter()
        given = options_from(adapter.info.options, {**info.options, **options}, beside=("trust", "store"))  # of `load`
        changed = options_to_dict(given)
        unknown = changed.get("partial_kwargs", {}).keys() - info.signatures.keys()
        if unknown:
            raise PartialKwargsError(
                f"Partial kwargs name {min(unknown)!r}, which the signatures of model '{self.tag}' do not have",
                why="It has " + (", ".join(info.signatures) or "none"),
                method=min(unknown),
            )
        assert self._info is not None
        assert self._stamp is not None
        return Model(
            self._source, self.name, self.version, row=self._row, record=(self._info, self._stamp), options=changed
        )

    def to_runnable(self) -> type[Runnable]:
        """Return a class whose instances load the model and run the methods of its signatures.

        Does not load the model; making an instance does.

        Raises:
            AdapterNotFoundError: its adapter is not installed.
            SignatureError: it has no signatures, and so no methods to offer.
        """
        from tiffin.plugins import registry

        adapter = self._adapter()
        own = adapter.get_runnable(self)
        if own is not None:
            return own
        from tiffin.model._loader import Loader
        from tiffin.runners import make_runnable

        info = self.info
        if not info.signatures:
            raise SignatureError(
                f"Model '{self.tag}' has no signatures, so there is no method to run",
                fix="Save it with signatures={'method': {'batchable': False}}",
                method="",
            )
        return make_runnable(
            Loader(self, adapter.plugin if registry().is_running(adapter.name) else None),
            info.signatures,
            info.options.get("partial_kwargs", {}),
            name="".join(part.capitalize() for part in re.split(r"[^a-z0-9]+", self.name)) + "Runnable",
            supported_resources=tuple(adapter.info.resources),
            supports_cpu_multi_threading=adapter.info.cpu_multi_threading,
            holds_gil=adapter.info.holds_gil,
        )

    def to_runner(self, name: str | None = None, *misplaced: Any, **options: Any) -> Runner:
        """Return a runner of this version: many callers use it, and their calls merge into batches.

        Args:
            name: for logs, metrics and errors; the model's name by default.
            misplaced: none: options are given by name.
            options: as for `tiffin.Runner`: backend, workers, max_batch_size, max_latency_ms, method_configs, …

        Raises:
            AdapterNotFoundError: its adapter is not installed.
            RunnerOptionError: an option is out of range, or names a method that does not exist.

        Warns:
            NotBatchableWarning: a `max_batch_size` is given, and there are methods whose calls do not merge.
        """
        from tiffin.runners import Runner

        runnable = self.to_runnable()
        alone = tuple(name for name, method in runnable.runnable_methods.items() if not method.batchable)
        if alone and options.get("max_batch_size") is not None:
            names = ", ".join(map(repr, alone))
            text = f"Calls of {names} of model '{self.tag}' do not merge, whatever max_batch_size is"
            advice = "If each row is answered by itself, save it with signatures={'method': {'batchable': True}}"
            warnings.warn(NotBatchableWarning(f"{text}. {advice}", alone), stacklevel=2)
        return Runner(runnable, *misplaced, name=name or self.name, models=[self], **options)

    def as_udf(self, method: str = "", **options: Any) -> Any:
        """Return a method as a function of batches, for engines of data.

        It pickles to the tag and the digest, never to the weights. The package tiffin-map brings it.

        Args:
            method: which method; by default the only one, `predict` or `__call__`.
            options: as for `tiffin_map.as_udf`: columns, keep, output, remote, `as_`.

        Raises:
            PackageNotInstalledError: it is not installed.
            MapError: there is no such method.
        """
        from tiffin.plugins import part_of

        return part_of("tiffin_map", "as_udf")(self, method, **options)


def _rebuild(source: ModelSource, name: str, version: str, options: Mapping[str, Any] | None) -> Model:
    here = found.get().get(f"{name}:{version}")
    return Model(source if here is None else here._source, name, version, options=options)

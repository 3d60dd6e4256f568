"""Every error and warning that Tiffin raises on purpose.

All errors derive from `TiffinError`. A message has up to three parts: what failed with the actual value, why it
matters, and what to do. The parts stay readable as attributes, and so do the facts an error is about.
"""

from __future__ import annotations

from typing import Any

from tiffin.showing import shown_lines


class TiffinError(Exception):
    """Base class of all of Tiffin's errors.

    Args:
        what: what failed, with the actual value, as a sentence without its full stop.
        why: why it matters or why it is so; may be empty.
        fix: what the reader can do about it; may be empty.
        facts: values that the error is about, kept as attributes of the same names.
    """

    what: str
    why: str
    fix: str

    def __init__(self, what: str, *, why: str = "", fix: str = "", **facts: Any) -> None:
        # What failed is often named by a stranger, and an error ends in a terminal.
        self.what, self.why, self.fix = shown_lines(what), shown_lines(why), shown_lines(fix)
        self.__dict__.update(facts)
        super().__init__(str(self))

    def __str__(self) -> str:
        return " ".join(_sentence(part) for part in (self.what, self.why, self.fix) if part)


def _sentence(part: str) -> str:
    return part if part.endswith((".", "!", "?", ":")) else part + "."


class InvalidTagError(TiffinError, ValueError):
    """A name, version, alias or tag breaks the naming rules. Attribute: `value`."""

    value: object


class ModelNotFoundError(TiffinError, LookupError):
    """No stored model answers to the tag. Attribute: `tag`."""

    tag: str


class AmbiguousTagError(TiffinError, LookupError):
    """A version prefix fits several versions. Attributes: `tag`, `versions`."""

    tag: str
    versions: tuple[str, ...]


class ModelExistsError(TiffinError, FileExistsError):
    """The explicit version to save is already in the store. Attribute: `tag`."""

    tag: str


class AliasedVersionError(TiffinError):
    """A version that an alias means is not deleted without force. Attributes: `tag`, `aliases`."""

    tag: str
    aliases: tuple[str, ...]


class StoreError(TiffinError):
    """The store cannot do what was asked. Attribute: `path`, the file or folder concerned."""

    path: str


class StoreFormatError(StoreError):
    """The store was written by a newer Tiffin, or its format file is not readable."""


class ReadOnlyStoreError(StoreError):
    """A change was asked of a store that may only be read."""


class TooManySignaturesError(StoreError):
    """A content has as many signatures as a store keeps of one."""


class ExamplesError(StoreError):
    """Examples of a model cannot be kept, read or replayed, or there are none."""


class PredictionsDifferError(TiffinError):
    """A model answers its examples otherwise than when it was saved. Attributes: `tag`, `report`, what was found."""

    tag: str
    report: Any


class FreshEnvironmentError(TiffinError):
    """An environment of other versions cannot be made, or the replay in it failed. Attribute: `versions`, those asked for."""

    versions: tuple[str, ...]


class StorageFullError(StoreError, OSError):
    """The disk or quota is exhausted; nothing was published."""


class ArchiveError(TiffinError):
    """An archive cannot be read or written. Attributes: `path` (path or URL), `member` (the one at fault, or empty)."""

    path: str
    member: str


class UnsafeArchiveError(ArchiveError):
    """An archive holds what no honest one does: it was refused, and the store is unchanged."""


class DamagedArchiveError(ArchiveError):
    """An archive is cut off, or its content is not what its record says; the store is unchanged."""


class ForeignModelError(ArchiveError):
    """A model that another tool wrote cannot be imported as it is. Attributes: `tool`, `kinds` (what wrote its files)."""

    tool: str
    kinds: tuple[str, ...]


class TransferError(TiffinError):
    """A remote cannot do what was asked. Attribute: `url`, without secrets."""

    url: str


class RemoteUnreachableError(TransferError, ConnectionError):
    """A remote does not answer, broke off, or has no time; the same may go well later."""


class RemoteDeniedError(TransferError, PermissionError):
    """A remote wants credentials, or does not let these do what was asked."""


class RemoteDamagedError(TransferError):
    """What a remote holds is not what its digest or record says; nothing of it was taken."""


class RecordError(StoreError):
    """A model's record (model.yaml) is missing, invalid or damaged."""


class QueryError(TiffinError, ValueError):
    """A query for models, or a field of one, cannot be read. Attributes: `query`, `position` (where, from 0)."""

    query: str
    position: int


class ConfigError(TiffinError, ValueError):
    """The settings in config.toml, or in an environment variable, are not valid. Attribute: `path`, the file or variable."""

    path: str


class UntrustedModelError(TiffinError, PermissionError):
    """A model from elsewhere could run code when it is loaded, and is not trusted; nothing of it was loaded.

    Attributes: `tag`; `names`, what its files would import and no list allows; `problems`, what cannot be told.
    """

    tag: str
    names: tuple[str, ...]
    problems: tuple[str, ...]


class SigningError(TiffinError):
    """A model cannot be signed, or a key cannot be used. Attribute: `path`, of the key; may be empty."""

    path: str


class SigningNotInstalledError(SigningError):
    """Signatures can be neither made nor verified, because the extra `signing` is not installed."""


class BadSignatureError(SigningError, ValueError):
    """A signature of a model is malformed, was made of other content, or no key that was given has made it.

    Attribute: `checks`, what each signature of the model proves (`tiffin.plugins.Voucher`), where several were looked at.
    """

    checks: tuple[Any, ...] = ()


class LabelError(TiffinError, ValueError):
    """A label's key or value is not allowed."""


class MetadataError(TiffinError, TypeError):
    """A metadata value has no plain form. Attribute: `where`, the path inside the metadata."""

    where: str


class SignatureError(TiffinError, ValueError):
    """A signature contradicts itself, the model, or the model's real output. Attribute: `method`."""

    method: str


class PartialKwargsError(SignatureError):
    """Partial kwargs name a method or an argument that the model does not have."""


class PicklingError(TiffinError):
    """An object cannot be pickled, or pickled files cannot be read back."""


class PluginError(TiffinError):
    """Base class of what can be wrong with plugins. Attribute: `plugin`, the plugin's name."""

    plugin: str


class AdapterNotFoundError(PluginError, LookupError, AttributeError):
    """No installed adapter has the name, or none claims the object.

    An `AttributeError` too, because `tiffin.<framework>` is an attribute to Python.
    """


class PackageNotInstalledError(PluginError, AttributeError):
    """What brings a public name is a package of its own, which is not installed. Attribute: `plugin`, its module."""


class BrokenPluginError(PluginError, ImportError):
    """A plugin is installed but cannot be used; the cause is chained."""


class PluginConflictError(PluginError):
    """Two plugins have one name, or two adapters claim one type. Attribute: `distributions`."""

    distributions: tuple[str, ...]


class HookError(PluginError):
    """A plugin implements a hook that does not exist, with arguments it does not have, or answers wrongly."""


class EmptyAnswerError(HookError):
    """A hook that must answer returned `None`."""


class ConformanceError(TiffinError, AssertionError):
    """An adapter does not keep a promise that the conformance kit checks. Attribute: `check`, its name or ""."""

    check: str


class ModelTypeError(TiffinError, TypeError):
    """The object is not of a kind that the adapter stores. Attributes: `framework`, `type_name`."""

    framework: str
    type_name: str


class WrongFrameworkError(TiffinError, ValueError):
    """A framework's own function was asked for another framework's model. Attributes: `tag`, `framework`."""

    tag: str
    framework: str


class RunnerError(TiffinError):
    """Base class of what can go wrong between a caller and a model that runs. Attribute: `runner`, the runner's name."""

    runner: str


class RunnerOptionError(RunnerError, ValueError):
    """A runner is made or asked with an option that it cannot have."""


class RunnerNotReadyError(RunnerError):
    """The runner is not started, is stopping, or has no healthy worker."""


class ForkedRunnerError(RunnerError):
    """The runner was made in the parent of this process, and its threads did not come along."""


class QueueFullError(RunnerError):
    """The queue holds as many rows as it may. Attribute: `retry_after`, seconds, an estimate."""

    retry_after: float


class LatencyLimitError(RunnerError, TimeoutError):
    """The answer cannot be given, or could not be given, within max_latency_ms.

    Attributes:
        reason: "refused" (on arrival) or "dropped" (later, when its turn came).
        retry_after: seconds until there is room again, an estimate.
    """

    reason: str
    retry_after: float


class CallTimeoutError(RunnerError, TimeoutError):
    """The caller's own timeout is over. Attribute: `timeout`, seconds."""

    timeout: float


class MethodTimeoutError(RunnerError, TimeoutError):
    """A method ran longer than its timeout, and its worker was given up. Attributes: `method`, `timeout` (seconds)."""

    method: str
    timeout: float


class WorkerDiedError(RunnerError):
    """The worker that ran the call ended without an answer. Attributes: `worker`, `exit_code` (or `None`)."""

    worker: str
    exit_code: int | None


class BatchError(RunnerError):
    """Base class of errors about batches. Attribute: `method`."""

    method: str


class BatchInputError(BatchError, ValueError):
    """A call's arguments cannot be batched: no rows to count, arguments that differ in rows, no such axis."""


class BatchRowsError(BatchError, ValueError):
    """A method returned another number of rows than it was given. Attributes: `expected`, `received` (or `None`)."""

    expected: int
    received: int | None


class InseparableError(BatchRowsError):
    """A method answered several calls together, and whose rows are whose cannot be told.

    Such calls run once more, one by one; an error is it only where the method may not run again.
    """


class UndecidedError(BatchError):
    """A batch failed, and whether this call is to blame is not known.

    The runs that finding out may take were spent, or the method may not run again. The cause is the error of the batch.
    """


class UnsendableError(RunnerError, TypeError):
    """A value has no typed form in which it can cross to another process. Attributes: `where`, `type_name`."""

    where: str
    type_name: str


class RemoteError(RunnerError):
    """A method raised an error in another process.

    Attributes:
        type_name: the error's class, as module and qualified name.
        text: its message.
        traceback_text: its traceback, formatted where it was raised.
    """

    type_name: str
    text: str
    traceback_text: str


class RunnerClosedError(RunnerError):
    """The runner stopped, or the connection to it closed, before the call was answered."""


class FrameError(RunnerError):
    """What came over a socket is not a frame of Tiffin's, is damaged, or exceeds the limits. The connection is closed."""


class SocketPathError(RunnerError, OSError):
    """A socket cannot be made at a path, or must not be trusted there. Attribute: `path`."""

    path: str


class TiffinWarning(UserWarning):
    """Base class of Tiffin's warnings. What a terminal would obey stands in the message as escapes."""

    def __init__(self, message: object = "", *args: object) -> None:
        super().__init__(shown_lines(str(message)), *args)


class VersionMismatchWarning(TiffinWarning):
    """The framework's version differs from the one that saved the model."""


class EditedRecordWarning(TiffinWarning):
    """A model's record was edited by hand, or is damaged."""


class UnfittedModelWarning(TiffinWarning):
    """A model is saved that has not learned anything yet."""


class StoreWarning(TiffinWarning):
    """A folder in the store is not a readable model, and was passed over."""


class NotKeptWarning(TiffinWarning):
    """A model was saved, or imported from another tool, without some of what it had.

    Attributes:
        lost: what is not kept, each as a phrase.
    """

    def __init__(self, message: str, lost: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.lost = lost


class NotBatchableWarning(TiffinWarning):
    """A size of batches was given for a model with methods whose calls do not merge.

    Attributes:
        methods: these methods.
    """

    def __init__(self, message: str, methods: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.methods = methods


class ConfigWarning(TiffinWarning):
    """A part of the settings does not count, because somebody else could have written it."""


class PluginWarning(TiffinWarning):
    """A plugin could not be used, or is not there, where that does not stop what was asked."""

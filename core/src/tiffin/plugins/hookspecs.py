"""Every hook that Tiffin calls.

An adapter implements the first six, and `values`; each call goes to one adapter, the one recorded in the model's record or
the one that was asked for. Any plugin of the entry-point group `tiffin.plugins` may implement the rest, and may wrap all of
them (`hookimpl(wrapper=True)`). An implementation names only the arguments that it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from tiffin.calls import RanBatch
    from tiffin.info import ModelInfo, ModelOptions
    from tiffin.plugins._adapter_info import AdapterInfo
    from tiffin.plugins._foreign_model import ForeignModel, ForeignReading
    from tiffin.plugins._foreign_tool import ForeignTool
    from tiffin.plugins._protocols import Backend, Connector, StoredModel
    from tiffin.plugins._saved import Saved
    from tiffin.plugins._voucher import Voucher
    from tiffin.tags import Tag
    from tiffin.values import BatchContainer, ValueKind

hookspec = pluggy.HookspecMarker("tiffin")

ADAPTER_HOOKS = ("context_info", "save", "load", "prepare", "get_runnable", "read_foreign")
"""Hooks that are addressed to one adapter; all others are broadcast."""

SHARED_HOOKS = ("values",)
"""Hooks that adapters and other plugins implement."""


@hookspec(firstresult=True)
def context_info() -> AdapterInfo | Mapping[str, Any]:  # type: ignore[empty-body]
    """Describe the adapter.

    Called once per process, before the adapter's first other hook, and when an object's adapter is looked for. Must not
    import the framework: an object's adapter is looked for among all that are installed.

    Returns:
        An `AdapterInfo`, or a dict with its fields. `None` is an error: every adapter must say what it stores.
    """


@hookspec(firstresult=True)
def save(
    model: Any, path: Path, options: ModelOptions | Mapping[str, Any]
) -> Saved | ModelOptions | Mapping[str, Any] | None:
    """Write the files of a model.

    Called once per save, before anything is published. What is raised here ends the save, and nothing remains.

    Args:
        model: the object to store; of a type that the adapter claims, never `None`. Must not be changed. Where the adapter
            takes `paths`, and is given one, a `pathlib.Path` of the file or folder.
        path: an empty folder; files and folders may be made below it, of any names but `model.yaml` and
            `custom_objects`. Links are refused.
        options: the adapter's options; see `AdapterInfo.options`.

    Returns:
        Changed options, which are recorded and come back at `load`: an object of their class, or a mapping of those that
        change; `None` leaves them as they are. Or a `tiffin.plugins.Saved`, which says as well what the files do not keep.

    Raises:
        NotMine: (of `tiffin.plugins`) before anything is written: another adapter is to store this object.
    """


@hookspec(firstresult=True)
def load(
    path: Path,
    options: ModelOptions | Mapping[str, Any],
    trusted: bool,
    custom_objects: Mapping[str, Any],
    read: Callable[[str], Any] | None,
) -> Any:
    """Read back the model that `save` wrote.

    Called at each load; the object is handed to the user, so each call returns a new one. An adapter that does not take
    `trusted` is not called for a model that is not trusted and has files that can run code: the load is refused.

    Args:
        path: the folder, read-only, with all that `save` wrote.
        options: the options as recorded, or as changed for this load or handle (`tiffin.load(tag, **options)`).
        trusted: whether code that is stored in the files may run. Where it may not, none of the `code_files` must be handed
            to a reader that runs code, such as `pickle`.
        custom_objects: the model's custom objects by name. Each is loaded when it is asked for, and refused where it is not
            trusted, as the model itself would be.
        read: where `trusted` is false: takes the name of a code file below `path`, "model.pkl", and returns what core built
            of it; each call builds anew. `None` where `trusted` is true.

    Returns:
        The object. `None` is an error.
    """


@hookspec(firstresult=True)
def prepare(
    obj: Any, options: ModelOptions | Mapping[str, Any], custom_objects: Mapping[str, Any], device: str | None
) -> Any:
    """Return the object whose methods run.

    Called at save with the user's own object, to check signatures, partial kwargs and the input example against it; and in
    each process that makes a runnable, with what `load` returned.

    Args:
        obj: the object. At save it must not be changed: what is returned may wrap it.
        options: the adapter's options, as `save` and `load` get them.
        custom_objects: as for `load`; at save those that the user gave.
        device: one of the adapter's `resources` that the object is to run on. `None` at save: wherever it is.

    Returns:
        An object with the methods that signatures name, such as a session made from a proto, or a wrapper that calls a module
        in inference mode. `None`, or no such function, stands for `obj` itself.
    """


@hookspec(firstresult=True)
def get_runnable(model: StoredModel) -> type[Any] | None:
    """Return the class that runs a model.

    Called when a runnable or runner is made of a stored model; must not load the model, its instances do.

    Args:
        model: the stored version; `model.info.signatures` names the methods to offer.

    Returns:
        A subclass of `tiffin.Runnable` that can be made without arguments. `None`, or no such function, means core's own:
        it loads the model and offers the methods of its signatures, with the partial kwargs.
    """


@hookspec(firstresult=True)
def read_foreign(foreign: ForeignModel) -> ForeignReading | Mapping[str, Any] | None:
    """Say whether the adapter can load a model that another tool wrote, and how its files must lie for that.

    Called when such a model is imported, for each installed adapter, before anything is published. No file is at hand, so
    that an import runs nothing of an archive: the answer comes from names alone, and `load` reads the files once the model
    is trusted. What is raised here ends the import, and nothing remains.

    Args:
        foreign: the tool, the kind of model, the fields that its record has, and the paths and sizes of its files. All from
            a stranger: nothing of it may be imported or run.

    Returns:
        A `tiffin.plugins.ForeignReading`, or a dict with its fields: files to rename, options to record. `None` means that
        the adapter does not read it.
    """


@hookspec
def model_saved(model: StoredModel) -> None:
    """Note that a version was published by this process.

    Called after the model is visible to others. What is raised here reaches the user, and the model stays.

    Args:
        model: the new version.

    Returns:
        Nothing; answers are passed over.
    """


@hookspec
def model_loaded(model: StoredModel, obj: Any) -> None:
    """Note that a model was loaded by this process.

    Called before the object is handed out. What is raised here ends the load.

    Args:
        model: the version.
        obj: the object; must not be changed.

    Returns:
        Nothing; answers are passed over.
    """


@hookspec
def model_deleted(tag: Tag) -> None:
    """Note that a version was deleted by this process.

    Called after it is gone, into the trash or for good. What is raised here reaches the user, and the model stays deleted.

    Args:
        tag: the full tag.

    Returns:
        Nothing; answers are passed over.
    """


@hookspec
def model_restored(model: StoredModel) -> None:
    """Note that a deleted version was put back by this process.

    Called after it is visible to others again. What is raised here reaches the user, and the model stays.

    Args:
        model: the version, as it was.

    Returns:
        Nothing; answers are passed over.
    """


@hookspec
def alias_changed(name: str, alias: str, before: str | None, after: str | None) -> None:
    """Note that an alias was set, moved or removed by this process.

    Called after the change, and not where an alias is set to what it means already: for aliases that are set or removed, that
    come with a pull, that go with a deleted version (after `model_deleted`), and that `gc` removes since their version was
    gone. What is raised here reaches the user, and the change stays.

    Args:
        name: the model's name.
        alias: the alias.
        before: the full version that it meant; `None` where there was none, or it could not be read.
        after: the full version that it means now; `None` where it was removed.

    Returns:
        Nothing; answers are passed over.
    """


@hookspec
def values() -> Sequence[ValueKind] | None:
    """Add kinds of values: tensors, matrices, tables, the outputs of a framework's models.

    Called once in each process that meets a value of a class that is not known: in callers, workers, attached clients and at
    save. An adapter is called as soon as a package that its `types` (or `types_by_name`) name is imported, and may import
    what it needs. Any other plugin is called at the first such value, whatever is imported, and must not import the package
    of its values: kinds name their classes by dotted names.

    Returns:
        Objects of subclasses of `tiffin.values.ValueKind`. `None` adds nothing. Of several kinds for one class the one
        asked for last counts.
    """


@hookspec
def batch_containers() -> Mapping[type | str, BatchContainer] | None:
    """Add kinds of values that batching can cut into rows and join. Deprecated, and gone with the next release: `values`.

    Called when a runner is made, in the process that makes it.

    Returns:
        Class → how to count, join and cut its rows. The class may be named ("polars.DataFrame"), so that it need not be
        imported. The latest answer for a class counts. `None` adds nothing.
    """


@hookspec
def runner_backends() -> Mapping[str, Callable[[], Backend]] | None:
    """Add places to run.

    Called when a runner is made.

    Returns:
        What `backend=` takes → a function that makes the back end, called for each runner that uses it. `None` adds
        nothing.
    """


@hookspec
def batch_ran(batch: RanBatch) -> None:
    """Note that a worker has run a batch, or an async or streaming method, to its end: for traces and logs.

    Called in the process that has the runner, after the answers have left, in the thread that ran the batch, which takes no
    other meanwhile. Whether anybody implements it is asked when a runner is made. What is raised here is logged.

    Args:
        batch: what ran, when, whether it failed, and what callers said of their calls.

    Returns:
        Nothing; answers are passed over.
    """


@hookspec
def remotes() -> Mapping[str, Connector] | None:
    """Add places to push models to and pull them from.

    Called when a URL is pushed to, pulled from or listed. Schemes that nobody adds are served through fsspec.

    Returns:
        URL scheme ("oci") → a function of the URL and of options, which makes the remote; see
        `tiffin.remotes.Remote`. `None` adds nothing. The latest answer for a scheme counts.
    """


@hookspec
def foreign_models() -> Sequence[ForeignTool] | None:
    """Add tools whose models can be imported.

    Called when an archive or folder is imported that is not Tiffin's own.

    Returns:
        Objects of subclasses of `tiffin.plugins.ForeignTool`: by what a model of the tool is known, and what its record says.
        Which adapter loads it is asked of adapters: see `read_foreign`. `None` adds nothing.
    """


@hookspec
def vouch(info: ModelInfo, path: Path, attestations: Sequence[bytes]) -> Sequence[Voucher] | None:
    """Say what the attestations of a content prove: whether somebody whom the settings trust vouches for it.

    Called when a model that is not trusted otherwise is loaded, and when it is inspected, where the store keeps attestations
    of its content. Called each time, so that what the settings say now is what counts. What is raised here ends the load.

    Args:
        info: the model's record. Core has computed its content digest, and compares the files that can run code with it.
        path: the version's folder; nothing in it may be run.
        attestations: all that are kept of the content, of any format. From a stranger.

    Returns:
        A `tiffin.plugins.Voucher` for each attestation whose format the plugin knows. One whose result is "good" makes the
        model load. `None` means that the plugin knows none of them.
    """


@hookspec(firstresult=True)
def check_attestation(info: ModelInfo, data: bytes, where: str) -> bool | None:
    """Tell whether an attestation belongs to a model's content. Who made it does not matter here.

    Called before an attestation is kept: at an import, a pull, and when a model was signed. An import is refused because of
    one that does not belong there, a pull leaves it out.

    Args:
        info: the model's record.
        data: the attestation, of any format, not longer than `tiffin.info.max_attestation_size`. From a stranger.
        where: where it is from, for errors.

    Returns:
        Whether it is about this content. `None` means that the plugin does not know the format; then the next one is asked,
        and where none knows it, it is kept, and the user is told that it was not checked.

    Raises:
        BadSignatureError: it is not about this content, or malformed, and the plugin can say how so.
    """


@hookspec
def commands() -> Mapping[str, Any] | None:
    """Add commands to the command line.

    Called for a command that core does not have, and for `--help`.

    Returns:
        Name → click command; "models NAME" adds to the group `models`, and so for `plugins` and `remotes`. `None` adds
        nothing. Core's own names cannot be replaced.
    """

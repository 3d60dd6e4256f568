"""Saving an object: its adapter writes the files, core does everything else."""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from tiffin import pickling
from tiffin.exceptions import AdapterNotFoundError, ExamplesError, ModelTypeError, NotKeptWarning, StoreError
from tiffin.files import collecting
from tiffin.info import (
    RECORD_NAME,
    ModelContext,
    ModelInfo,
    ObjectEntry,
    options_from,
    options_to_dict,
)
from tiffin.model import Stamp
from tiffin.plugins import Adapter, NotMine, registry
from tiffin.runners import circumstances
from tiffin.signatures import (
    ModelSignature,
    bind_partial,
    check_partial_kwargs,
    check_signatures,
    find_method,
    infer_signature_specs,
    normalise_signatures,
)
from tiffin.store._layout import Layout
from tiffin.store._new_folder import NewFolder
from tiffin.store._new_version import NewVersion
from tiffin.store._publish import publish
from tiffin.store._staging import staged
from tiffin.store.request import ARGUMENTS, SaveRequest
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.examples import Recording

OBJECTS = "custom_objects"
"""The folder of a version that holds its custom objects."""


def save_object(layout: Layout, new: NewVersion, request: SaveRequest) -> tuple[ModelInfo, Stamp]:
    """Save an object as a new version; returns its record.

    Everything that can be refused is refused before anything is written, but for what only a load of it shows.
    """
    registry().broadcast()  # a plugin that cannot be used stops the save here
    declined: dict[str, str] = {}
    while True:
        adapter = _adapter_of(request, declined)
        try:
            return _save_with(adapter, layout, new, request)
        except NotMine as reason:
            declined[adapter.name] = str(reason)


def _adapter_of(request: SaveRequest, declined: Mapping[str, str]) -> Adapter:
    model = request.model
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    if request.framework:
        adapter = registry().adapter(request.framework)
        adapter.check_type(model)
        if declined:
            raise ModelTypeError(
                f"The adapter {adapter.name!r} does not store this object of type {kind}",
                why=declined[adapter.name],
                fix="tiffin.save(name, obj) finds the adapter by the object",
                framework=adapter.name,
                type_name=kind,
            )
        return adapter
    adapter = registry().adapter_for(model, without=declined)
    if isinstance(model, os.PathLike) and "builtins.object" in adapter.info.types:
        takers = [name for name, other in registry().usable()[0].items() if other.info.paths]
        raise ModelTypeError(
            f"{model!r} is a path, and no model",
            why="Only the path itself would be stored, and nothing of what is there",
            fix=f"Name the framework whose file it is: framework={(takers or ['…'])[0]!r}"
            + (f" ({', '.join(takers)} take paths)" if takers[1:] else "")
            + f", or to store the path itself, framework={adapter.name!r}",
            framework=adapter.name,
            type_name=kind,
        )
    return adapter


def _save_with(adapter: Adapter, layout: Layout, new: NewVersion, request: SaveRequest) -> tuple[ModelInfo, Stamp]:
    model = request.model
    from_file = adapter.stores_file(model)
    if from_file:
        model = _existing(model)
    given_objects = request.custom_objects or {}
    hook_options = options_from(adapter.info.options, _options(request), beside=ARGUMENTS)
    declared = adapter.info.signatures
    defaults = declared(model) if callable(declared) and request.signatures is None else declared
    wanted = normalise_signatures(request.signatures, {} if callable(defaults) else defaults)
    inputs = _inputs(request)
    example = request.input_example if request.input_example is not None or not inputs else inputs[0]
    if request.signatures is None and example is not None:
        # What an adapter tells of any input gives way to a real one.
        wanted = {name: attrs.evolve(one, input_spec=None, output_spec=None) for name, one in wanted.items()}
    loaded, later = model, from_file or adapter.info.loads_as_other
    if not later:
        checked = _checked(adapter, model, hook_options, given_objects, wanted, example, inputs)
    objects = _adapters_of(given_objects)
    by_value = pickling.by_value(request.external_modules or ())
    with staged(layout, "save") as folder, collecting() as ledger, by_value:
        saved = adapter.save(model, Path(folder), hook_options)
        _check_reserved(adapter, folder)
        options = options_to_dict(saved.options)
        if later:
            hook_options = options_from(adapter.info.options, options)
            loaded = adapter.load(Path(folder), hook_options, custom_objects=given_objects)
            checked = _checked(adapter, loaded, hook_options, given_objects, wanted, example, inputs)
        entries = {name: _save_object(folder, name, *found) for name, found in objects.items()}
        info = new.info(
            framework=adapter.name,
            options=options,
            context=ModelContext.current(adapter.name, adapter.info.distributions),
            signatures=checked.signatures,
            custom_objects=entries,
        )
        if "get_runnable" in adapter.hooks:
            own = adapter.get_runnable(_Staged(new.tag, info, Path(folder), adapter))
            if own is None:
                own = adapter.prepare(loaded, hook_options, given_objects, None)
            check_signatures(own, checked.signatures)
        if request.trial_load:
            from tiffin.store._trial import try_load

            try_load(folder, info)
        _warn_of_lost(f"Model '{new.tag}'", [*saved.lost, *checked.lost])
        examples = None if checked.recording is None else checked.recording.to_bytes()
        return publish(
            layout, folder, info, ledger, origin="saved here", overwrite=request.overwrite, examples=examples
        )


def _inputs(request: SaveRequest) -> tuple[Any, ...]:
    given = request.examples
    if given is True and request.input_example is None:
        raise ExamplesError(
            "There is no input example to keep: examples=True stands for that",
            fix="Give input_example= too, or the input itself: examples=x",
            path="",
        )
    if given is None or given is False:
        return ()
    from tiffin.examples import Examples  # imports numpy

    return (request.input_example,) if given is True else given.inputs if isinstance(given, Examples) else (given,)


def _existing(path: Any) -> Path:
    found = Path(path)
    if not found.exists():
        raise StoreError(
            f"There is no file or folder {os.fspath(path)!r}",
            why="A path given as a model stands for what is there",
            fix="Correct the path, or give the loaded object instead",
            path=str(found),
        )
    return found


def _checked(
    adapter: Adapter,
    model: Any,
    options: Any,
    custom_objects: Mapping[str, Any],
    wanted: dict[str, ModelSignature],
    example: Any,
    inputs: tuple[Any, ...],
) -> _Checked:
    """Return the signatures, with specs where an example tells them, once they fit the object that will run.

    And what its methods answer to the inputs that are to be kept.
    """
    partial_kwargs = options_to_dict(options).get("partial_kwargs", {})
    if not wanted and not partial_kwargs and not inputs:
        return _Checked(wanted)
    prepared = adapter.prepare(model, options, custom_objects, None)
    check_partial_kwargs(prepared, partial_kwargs)
    if "get_runnable" not in adapter.hooks:  # its own runnable may have methods that the object lacks
        check_signatures(prepared, wanted)
    methods = {
        name: bind_partial(find_method(prepared, name), partial_kwargs.get(name, {}))
        for name in (wanted if example is not None else ())
    }
    if example is not None:
        wanted = {
            name: infer_signature_specs(signature, methods[name], example, method=name)
            for name, signature in wanted.items()
        }
    if not inputs:
        return _Checked(wanted)
    from tiffin.examples import record

    return _Checked(wanted, *record(methods, inputs, circumstances()))


@attrs.frozen
class _Checked:
    signatures: dict[str, ModelSignature]
    recording: Recording | None = None
    lost: Sequence[str] = ()


@attrs.frozen
class _Staged:
    """A version that is not published yet, for the hook `get_runnable`."""

    tag: Tag
    info: ModelInfo
    path: Path
    adapter: Adapter

    def load(self) -> Any:
        return self.adapter.load(self.path, options_from(self.adapter.info.options, self.info.options))


def publish_folder(layout: Layout, folder: str, made: NewFolder, *, overwrite: bool) -> tuple[ModelInfo, Stamp]:
    """Publish a staged folder of a user's own files."""
    for name in (RECORD_NAME, *([OBJECTS] if made.custom_objects else [])):
        if os.path.lexists(f"{folder}/{name}"):
            raise StoreError(
                f"The folder holds {name!r}",
                why="Tiffin writes its record there" if name == RECORD_NAME else "Tiffin stores custom objects there",
                fix="Choose another name",
                path=f"{folder}/{name}",
            )
    objects = _adapters_of(made.custom_objects)
    with collecting() as ledger, pickling.by_value(made.external_modules):
        entries = {name: _save_object(folder, name, *found) for name, found in objects.items()}
    info = made.described(custom_objects=entries)
    return publish(layout, folder, info, ledger, origin="saved here", overwrite=overwrite)


def _options(request: SaveRequest) -> dict[str, Any]:
    if request.partial_kwargs is None:
        return dict(request.options)
    return {**request.options, "partial_kwargs": {name: dict(given) for name, given in request.partial_kwargs.items()}}


def _adapters_of(custom_objects: Mapping[str, Any] | None) -> dict[str, tuple[Any, Adapter | None]]:
    found: dict[str, tuple[Any, Adapter | None]] = {}
    for name, item in (custom_objects or {}).items():
        if not isinstance(name, str) or not name or len(quote(name, safe="")) > 200:
            raise StoreError(
                f"{name!r} cannot be the name of a custom object", fix="Use a string of 1 to 60 characters", path=""
            )
        adapter: Adapter | None = None
        if item is not None:
            with contextlib.suppress(AdapterNotFoundError):  # core's pickling service keeps what no adapter claims
                adapter = registry().adapter_for(item)
        found[name] = (item, adapter)
    return found


def _save_object(folder: str, name: str, item: Any, adapter: Adapter | None) -> ObjectEntry:
    # Percent-encoding makes a file name of any name; a dot is encoded too, since "." and ".." are no file names.
    relative = f"{OBJECTS}/{_free(Path(folder, OBJECTS), quote(name, safe='').replace('.', '%2E'))}"
    target = Path(folder, relative)
    target.mkdir(parents=True)
    declined = set()
    while adapter is not None:
        options = options_from(adapter.info.options, {})
        try:
            saved = adapter.save(item, target, options)
        except NotMine:
            declined.add(adapter.name)
            try:
                adapter = registry().adapter_for(item, without=declined)
            except AdapterNotFoundError:
                break
        else:
            _warn_of_lost(f"The custom object {name!r}", saved.lost)
            return ObjectEntry(relative, adapter.name, options_to_dict(saved.options))
    pickling.dump(item, target)
    return ObjectEntry(relative)


def _free(folder: Path, name: str) -> str:
    """Return `name`, or one made from it where that is another's on a system which does not tell case apart."""
    taken = {path.name.lower() for path in folder.iterdir()} if folder.is_dir() else set()
    return next(free for n in range(len(taken) + 1) if (free := f"{name}-{n + 1}" if n else name).lower() not in taken)


def _warn_of_lost(what: str, lost: Sequence[str]) -> None:
    if lost:
        text = f"{what} is saved without some of what it had: {'; '.join(lost)}"
        warnings.warn(NotKeptWarning(text, tuple(lost)), stacklevel=7)


def _check_reserved(adapter: Adapter, folder: str) -> None:
    for name in (RECORD_NAME, OBJECTS):
        path = f"{folder}/{name}"
        if os.path.lexists(path):
            shutil.rmtree(path, ignore_errors=True)
            raise StoreError(
                f"The adapter {adapter.name!r} wrote {name!r}, a name that Tiffin keeps for itself",
                fix="Report this to the adapter's authors",
                path=path,
            )

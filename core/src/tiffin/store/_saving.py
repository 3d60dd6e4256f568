"""Saving an object: its adapter writes the files, core does everything else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tiffin import pickling
from tiffin.exceptions import AdapterNotFoundError, StoreError
from tiffin.files import WriteLedger, collecting
from tiffin.info import (
    RECORD_NAME,
    ModelContext,
    ModelInfo,
    ObjectEntry,
    options_from,
    options_to_dict,
)
from tiffin.model import Stamp
from tiffin.plugins import Adapter, registry
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
from tiffin.store._new_version import NewVersion
from tiffin.store._publish import publish
from tiffin.store._staging import staged
from tiffin.store.request import ARGUMENTS, SaveRequest

OBJECTS = "custom_objects"
"""The folder of a version that holds its custom objects."""


def save_object(layout: Layout, new: NewVersion, request: SaveRequest) -> tuple[ModelInfo, Stamp]:
    """Save an object as a new version; returns its record.

    Everything that can be refused is refused before anything is written.
    """
    model = request.model
    adapter = registry().adapter(request.framework) if request.framework else registry().adapter_for(model)
    adapter.check_type(model)
    registry().broadcast()  # a plugin that cannot be used stops the save here
    hook_options = options_from(adapter.info.options, _options(request), beside=ARGUMENTS)
    partial_kwargs = options_to_dict(hook_options).get("partial_kwargs", {})
    check_partial_kwargs(model, partial_kwargs)
    declared = adapter.info.signatures
    defaults = declared(model) if callable(declared) and request.signatures is None else declared
    wanted = normalise_signatures(request.signatures, {} if callable(defaults) else defaults)
    if "get_runnable" not in adapter.hooks:  # its own runnable may have methods that the object lacks
        check_signatures(model, wanted)
    if request.input_example is not None:
        wanted = _infer(model, wanted, request.input_example, partial_kwargs)
    objects = _adapters_of(request.custom_objects)
    by_value = pickling.by_value(request.external_modules or ())
    with staged(layout, "save") as folder, collecting() as ledger, by_value:
        changed = adapter.save(model, Path(folder), hook_options)
        _check_reserved(adapter, folder)
        entries = {name: _save_object(folder, name, *found) for name, found in objects.items()}
        info = new.info(
            framework=adapter.name,
            options=options_to_dict(hook_options if changed is None else changed),
            context=ModelContext.current(adapter.name, adapter.info.distributions),
            signatures=wanted,
            custom_objects=entries,
        )
        if request.trial_load:
            from tiffin.store._trial import try_load

            try_load(folder, info)
        return publish(layout, folder, info, ledger, origin="saved here", overwrite=request.overwrite)


def publish_folder(layout: Layout, folder: str, new: NewVersion, *, overwrite: bool) -> tuple[ModelInfo, Stamp]:
    """Publish a staged folder of a user's own files."""
    if os.path.lexists(f"{folder}/{RECORD_NAME}"):
        raise StoreError(
            f"The folder holds a file {RECORD_NAME!r}",
            why="Tiffin writes its record there",
            path=f"{folder}/{RECORD_NAME}",
        )
    return publish(layout, folder, new.info(), WriteLedger(), origin="saved here", overwrite=overwrite)


def _options(request: SaveRequest) -> dict[str, Any]:
    if request.partial_kwargs is None:
        return dict(request.options)
    return {**request.options, "partial_kwargs": {name: dict(given) for name, given in request.partial_kwargs.items()}}


def _infer(
    model: object, signatures: dict[str, ModelSignature], example: Any, partial_kwargs: Mapping[str, Mapping[str, Any]]
) -> dict[str, ModelSignature]:
    return {
        method: infer_signature_specs(
            signature, bind_partial(find_method(model, method), partial_kwargs.get(method, {})), example, method=method
        )
        for method, signature in signatures.items()
    }


def _adapters_of(custom_objects: Mapping[str, Any] | None) -> dict[str, tuple[Any, Adapter | None]]:
    found: dict[str, tuple[Any, Adapter | None]] = {}
    for name, item in (custom_objects or {}).items():
        if not isinstance(name, str) or not name or len(quote(name, safe="")) > 200:
            raise StoreError(
                f"{name!r} cannot be the name of a custom object", fix="Use a string of 1 to 60 characters", path=""
            )
        adapter: Adapter | None = None
        if item is not None:
            try:
                adapter = registry().adapter_for(item)
            except AdapterNotFoundError:
                adapter = None  # core's pickling service keeps what no adapter claims
        found[name] = (item, adapter)
    return found


def _save_object(folder: str, name: str, item: Any, adapter: Adapter | None) -> ObjectEntry:
    # Percent-encoding makes a file name of any name; a dot is encoded too, since "." and ".." are no file names.
    relative = f"{OBJECTS}/{quote(name, safe='').replace('.', '%2E')}"
    target = Path(folder, relative)
    target.mkdir(parents=True)
    if adapter is None:
        pickling.dump(item, target)
        return ObjectEntry(relative)
    options = options_from(adapter.info.options, {})
    changed = adapter.save(item, target, options)
    return ObjectEntry(relative, adapter.name, options_to_dict(options if changed is None else changed))


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

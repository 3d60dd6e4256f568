"""Saving an object: its adapter writes the files, core does everything else."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from tiffin import pickling
from tiffin.exceptions import AdapterNotFoundError, MetadataError, StoreError
from tiffin.files import WriteLedger, collecting
from tiffin.info import (
    RECORD_NAME,
    ModelContext,
    ModelInfo,
    ObjectEntry,
    check_labels,
    options_from,
    options_to_dict,
    plain_mapping,
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
from tiffin.store._publish import publish
from tiffin.store._staging import staged
from tiffin.tags import new_version

OBJECTS = "custom_objects"
"""The folder of a version that holds its custom objects."""
MAX_METADATA = 4 << 20
"""Characters that metadata may have as text: it is read with every record."""
ARGUMENTS = (
    "framework", "signatures", "labels", "metadata", "custom_objects", "external_modules", "input_example", "overwrite",
)  # fmt: skip
"""Arguments of `tiffin.save`; what is spelled otherwise is taken for an option."""
_MISSING: Any = object()


class Description:
    """What is said of a new version besides its files: checked when made, before anything is written.

    Args:
        name: the model's name, checked.
        version: an explicit version, checked; `None` makes one.
        labels, metadata: as the user gave them.
    """

    def __init__(
        self, name: str, version: str | None, labels: Mapping[str, str] | None, metadata: Mapping[str, Any] | None
    ) -> None:
        self.name = name
        made, microseconds = new_version()
        self.version = version or made
        self.created = datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(
            microseconds=microseconds
        )
        self.labels = check_labels(labels)
        self.metadata = check_metadata(metadata)

    def info(self, **fields: Any) -> ModelInfo:
        """Return the record with these and the other fields."""
        return ModelInfo(
            name=self.name,
            version=self.version,
            labels=check_labels(self.labels),
            metadata=check_metadata(self.metadata),
            creation_time=self.created,
            **fields,
        )


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return metadata as plain values.

    Raises:
        MetadataError: a value has no plain form, or it is too much.
    """
    result = plain_mapping(metadata, "metadata")
    if result and (length := len(repr(result))) > MAX_METADATA:
        raise MetadataError(
            f"metadata has {length} characters as text",
            why=f"At most {MAX_METADATA} are kept, because metadata is read with every record",
            fix="Keep large values with custom_objects=",
            where="metadata",
        )
    return result


def save_object(
    layout: Layout,
    description: Description,
    model: object,
    *,
    framework: str | None,
    signatures: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None,
    external_modules: Iterable[ModuleType],
    input_example: Any = _MISSING,
    overwrite: bool,
) -> tuple[ModelInfo, Stamp]:
    """Save an object as a new version; see `tiffin.save` for the arguments.

    Everything that can be refused is refused before anything is written.
    """
    adapter = registry().adapter(framework) if framework else registry().adapter_for(model)
    adapter.check_type(model)
    registry().broadcast()  # a plugin that cannot be used stops the save here
    hook_options = options_from(adapter.info.options, options, beside=ARGUMENTS)
    partial_kwargs = options_to_dict(hook_options).get("partial_kwargs", {})
    check_partial_kwargs(model, partial_kwargs)
    declared = adapter.info.signatures
    defaults = declared(model) if callable(declared) and signatures is None else declared
    wanted = normalise_signatures(signatures, {} if callable(defaults) else defaults)
    if "get_runnable" not in adapter.hooks:  # its own runnable may have methods that the object lacks
        check_signatures(model, wanted)
    if input_example is not _MISSING:
        wanted = _infer(model, wanted, input_example, partial_kwargs)
    objects = _adapters_of(custom_objects)
    with staged(layout, "save") as folder, collecting() as ledger, pickling.by_value(external_modules):
        changed = adapter.save(model, Path(folder), hook_options)
        _check_reserved(adapter, folder)
        entries = {name: _save_object(folder, name, *found) for name, found in objects.items()}
        info = description.info(
            framework=adapter.name,
            options=options_to_dict(hook_options if changed is None else changed),
            context=ModelContext.current(adapter.name, adapter.info.distributions),
            signatures=wanted,
            custom_objects=entries,
        )
        return publish(layout, folder, info, ledger, origin="saved here", overwrite=overwrite)


def publish_folder(
    layout: Layout, folder: str, description: Description, *, overwrite: bool
) -> tuple[ModelInfo, Stamp]:
    """Publish a staged folder of a user's own files."""
    if os.path.lexists(f"{folder}/{RECORD_NAME}"):
        raise StoreError(
            f"The folder holds a file {RECORD_NAME!r}",
            why="Tiffin writes its record there",
            path=f"{folder}/{RECORD_NAME}",
        )
    return publish(layout, folder, description.info(), WriteLedger(), origin="saved here", overwrite=overwrite)


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

"""The trash: what was deleted, and having it back."""

from __future__ import annotations

import contextlib
import datetime
import os

import attrs

from tiffin.config import trash_days
from tiffin.exceptions import ModelExistsError, ModelNotFoundError, RecordError
from tiffin.files import sync_file
from tiffin.model import Model
from tiffin.store._changing import changing
from tiffin.store._deleted import DAY, Deleted, bytes_of, entries
from tiffin.store._journal import changing_name
from tiffin.store._layout import step
from tiffin.store._rename import rename_new
from tiffin.store._scan import entry_of
from tiffin.store._store import ModelStore
from tiffin.tags import Tag, check_part

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@attrs.frozen
class Trashed:
    """A deleted version that can be had back.

    Attributes:
        tag: under which tag.
        id: what tells it from others that were deleted under the same tag.
        deleted: when, in UTC.
        kept_until: from when on the next change of the store frees it, in UTC.
        own: bytes that freeing it alone would give.
    """

    tag: Tag
    id: str
    deleted: datetime.datetime
    kept_until: datetime.datetime
    own: int


def trash(store: ModelStore, name: str | None = None) -> list[Trashed]:
    """Return what is in the trash, what was deleted last first.

    Args:
        store: the store.
        name: only versions of this name.
    """
    if name is not None:
        check_part(name, "model name")
    store.layout.check_format()
    kept = datetime.timedelta(microseconds=trash_days() * DAY)
    found = sorted(entries(store.layout, name), key=lambda entry: entry.identity, reverse=True)
    return [
        Trashed(Tag(entry.name, entry.version), entry.identity, time, time + kept, bytes_of(store.layout, [entry.path]))
        for entry in found
        for time in [_EPOCH + datetime.timedelta(microseconds=entry.time)]
    ]


def undelete(store: ModelStore, tag: str | Tag, *, id: str | None = None) -> Model:
    """Put a deleted version back, as it was: its files and record, and its place among the others by age.

    Aliases that it had are not set again.

    Args:
        store: the store.
        tag: `name:version`, or a unique beginning of the version; a name alone stands for what was deleted last of it.
        id: which, where several were deleted under the tag; default: the last one.

    Returns:
        A handle on the version.

    Raises:
        ModelNotFoundError: it is not in the trash.
        ModelExistsError: the store has a version of this tag, or an alias of its name.
    """
    from tiffin.plugins import registry

    hook = registry().broadcast()
    layout = store.layout
    with changing(layout):
        found = _find(store, Tag.parse(tag), id)
        store.writer.check_free(Tag(found.name, found.version), overwrite=False)
        parent = f"{layout.models}/{found.name}"
        with changing_name(layout, found.name) as notes:
            _put_back(store, found)
            notes.add("restored", version=found.version)
            step("undelete", "renamed")
            for folder in (parent, os.path.dirname(found.path)):
                with contextlib.suppress(FileNotFoundError):  # emptied, and removed by another process
                    sync_file(folder)
            step("undelete", "synced")
            with contextlib.suppress(OSError):  # it holds others
                os.rmdir(os.path.dirname(found.path))
            step("undelete", "name-removed")
        # Its record is as it was, and whoever reads a damaged one is told; or it was deleted again meanwhile.
        with contextlib.suppress(RecordError, ModelNotFoundError):
            store.note([entry_of(layout, found.name, found.version)])
    model = Model(store, found.name, found.version)
    hook.model_restored(model=model)
    return model


def _put_back(store: ModelStore, found: Deleted) -> None:
    target = store.layout.version(found.name, found.version)
    while True:
        try:
            rename_new(found.path, target)
        except FileNotFoundError as error:
            if not os.path.isdir(found.path):  # somebody else was faster
                raise _not_there(store, f"{found.name}:{found.version}") from error
            store.layout.make_name(found.name)
        except FileExistsError as error:
            raise ModelExistsError(
                f"Model '{found.name}:{found.version}' exists",
                why="It was saved again since the other one was deleted",
                fix="Delete that first, or leave the other one in the trash",
                tag=f"{found.name}:{found.version}",
            ) from error
        else:
            return


def _find(store: ModelStore, tag: Tag, identity: str | None) -> Deleted:
    found = sorted(entries(store.layout, tag.name), key=lambda entry: entry.identity)
    fitting = [entry for entry in found if entry.version == tag.version] or [
        entry for entry in found if tag.version is None or entry.version.startswith(tag.version)
    ]
    if identity is not None:
        fitting = [entry for entry in fitting if entry.identity == identity]
    versions = sorted({entry.version for entry in fitting})
    if not fitting or (tag.version is not None and len(versions) > 1):
        raise _not_there(store, str(tag), versions)
    return fitting[-1]


def _not_there(store: ModelStore, tag: str, versions: list[str] | None = None) -> ModelNotFoundError:
    known = [str(entry.tag) for entry in trash(store, Tag.parse(tag).name)][:6]
    if versions:
        return ModelNotFoundError(
            f"'{tag}' could be {len(versions)} deleted versions: {', '.join(versions[:5])}",
            fix="Give more of the version",
            tag=tag,
        )
    return ModelNotFoundError(
        f"'{tag}' is not in the trash",
        why=f"Deleted models are kept for {trash_days():g} days, and then freed by the next change",
        fix="It has " + ", ".join(known) if known else "Look at what there is: tiffin models trash",
        tag=tag,
    )

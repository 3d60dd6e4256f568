"""Publishing: a staged folder becomes a version by one rename. Before it nothing is visible, after it everything is."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import attrs

from tiffin.exceptions import ModelExistsError, StoreError
from tiffin.files import WriteLedger, WrittenFile, digest_file, sync_file
from tiffin.info import RECORD_NAME, FileEntry, ModelInfo, Paths, check_limits
from tiffin.model import Stamp
from tiffin.store import _arrivals, _records
from tiffin.store._blobs import Blobs
from tiffin.store._examples import KeptExamples
from tiffin.store._journal import changing_name
from tiffin.store._layout import Layout, step
from tiffin.store._origins import Origins
from tiffin.store._rename import exchange, rename_new

_LARGE = 8 << 20
"""Bytes from which on the files of a version are hashed by two threads."""


def publish(
    layout: Layout,
    folder: str,
    info: ModelInfo,
    ledger: WriteLedger,
    *,
    origin: str,
    overwrite: bool = False,
    operation: str = "save",
    examples: bytes | None = None,
) -> tuple[ModelInfo, Stamp]:
    """Publish a staged folder as the version that `info` names.

    Args:
        layout: the store.
        folder: the staged folder, with all files but model.yaml.
        info: the record; its files and content digest are filled in here.
        ledger: digests that are known already.
        origin: how the store got this content, for its origin record and the journal: "saved here", "imported from …",
            "pulled from …".
        overwrite: whether a version that exists is replaced, in one step.
        operation: what the steps are announced as.
        examples: the file of examples to keep of this content, if there is one.

    Returns:
        The record as published, and its stamp.

    Raises:
        ModelExistsError: the version exists, and `overwrite` is false.
        StoreError: the folder holds links or special files.
    """
    step(operation, "staged")
    modes = layout.modes()
    files, folders = _walk(folder)
    for path in files:
        _own(layout, f"{folder}/{path}", f"{folder}.link", ledger)
    known = _digest(folder, files, ledger)
    for path in files:
        modes.give(f"{folder}/{path}", 0o444 & modes.folder)
    step(operation, "synced")
    for path, written in known.items():
        Blobs(layout).share(f"{folder}/{path}", written.sha256, f"{folder}.link")
    step(operation, "linked")
    info = attrs.evolve(info, files={path: FileEntry(w.size, w.sha256) for path, w in sorted(known.items())})
    info = attrs.evolve(info, content_digest=info.compute_digest())
    check_limits(info)
    _arrivals.note(layout, folder, info)
    Origins(layout).write(folder, info.content_digest, origin)
    step(operation, "origin")
    if examples is not None:
        KeptExamples(layout).write(folder, info.content_digest, examples)
        step(operation, "examples")
    record = f"{folder}/{RECORD_NAME}"
    stamp, mark = _records.write(layout, record, info)
    step(operation, "recorded")
    for path in (*folders, ""):
        modes.give(f"{folder}/{path}", modes.folder)
        sync_file(f"{folder}/{path}")
    step(operation, "folder-synced")
    with changing_name(layout, info.name) as notes:
        replaced = _place(layout, folder, info, overwrite=overwrite)
        kind, _, how = ("saved", "", "") if origin == "saved here" else origin.partition(" ")
        how = origin if replaced and how else how
        notes.add("overwritten" if replaced else kind, version=info.version, how=how, record=mark)
        step(operation, "renamed")
    with contextlib.suppress(FileNotFoundError):  # deleted already by another process, and the name with it
        sync_file(f"{layout.models}/{info.name}")
    step(operation, "parent-synced")
    if replaced:
        old = _records.digests_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
        Blobs(layout).release(old)
        step(operation, "old-removed")
    return info, stamp


def _place(layout: Layout, folder: str, info: ModelInfo, *, overwrite: bool) -> bool:
    """Move the staged folder to its place; returns whether it holds, now, what was there before."""
    target = layout.version(info.name, info.version)
    parent = os.path.dirname(target)
    while True:
        try:
            rename_new(folder, target)
            return False
        except FileNotFoundError:
            if not os.path.isdir(folder):
                raise
            layout.make_name(info.name)
        except FileExistsError as error:
            if not overwrite:
                raise exists_error(layout, info.name, info.version) from error
            try:
                # An exchange need not change the time of the name's folder, by which the catalog knows of changes. Touched
                # before, too: who is killed in between leaves a fresh time, on which no catalog relies.
                os.utime(parent)
                exchange(folder, target)
            except FileNotFoundError:
                continue  # somebody removed it by hand: then there is nothing to replace
            with contextlib.suppress(FileNotFoundError):
                os.utime(parent)
            return True
        except NotADirectoryError as error:
            raise StoreError(
                f"'{info.tag}' cannot be saved: {parent} is a file",
                why="The versions of the model belong into a folder of that name",
                fix="Move it elsewhere, or choose another name",
                path=parent,
            ) from error


def exists_error(layout: Layout, name: str, version: str) -> ModelExistsError:
    """Return the error for a version that is there already."""
    path = layout.version(name, version)
    if not os.path.exists(f"{path}/{RECORD_NAME}"):
        return ModelExistsError(
            f"'{name}:{version}' cannot be saved: {path} exists and is not a model",
            fix="Move it elsewhere, or delete it",
            tag=f"{name}:{version}",
        )
    return ModelExistsError(
        f"Model '{name}:{version}' exists already",
        why="A version, once saved, stays what it is, so that a tag means one model",
        fix="Save under another version, or pass overwrite=True",
        tag=f"{name}:{version}",
    )


def _walk(folder: str) -> tuple[list[str], list[str]]:
    files: list[str] = []
    folders: list[str] = []
    pending = [""]
    while pending:
        relative = pending.pop()
        with os.scandir(f"{folder}/{relative}") as entries:
            for entry in entries:
                path = relative + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                    pending.append(path + "/")
                elif entry.is_file(follow_symlinks=False):
                    files.append(path)
                else:
                    raise StoreError(
                        f"{path!r} is a link or a special file",
                        why="A version must be complete in itself, on any machine",
                        fix="Save a copy of what it stands for",
                        path=path,
                    )
    paths = Paths()
    for path in sorted(files):
        if wrong := paths.add(path):
            raise StoreError(
                f"The file {path!r} cannot be saved: {wrong}",
                why="Not every system could hold it, so it could be neither exported nor pulled",
                fix="Rename the file",
                path=path,
            )
    return sorted(files), sorted(folders, reverse=True)


def _own(layout: Layout, path: str, temporary: str, ledger: WriteLedger) -> None:
    """Replace a file by a copy if it has other names: whoever has those could change what is in the store.

    Unless they are the store's own.
    """
    if os.stat(path).st_nlink > 1 and not Blobs(layout).is_linked(path, ledger.lookup(path)):
        shutil.copyfile(path, temporary)
        os.replace(temporary, path)


def _digest(folder: str, files: list[str], ledger: WriteLedger) -> dict[str, WrittenFile]:
    paths = [f"{folder}/{path}" for path in files]
    known = [ledger.lookup(path) for path in paths]
    unknown = [path for path, written in zip(paths, known, strict=True) if written is None or not written.synced]
    if sum(os.path.getsize(path) for path in unknown) >= _LARGE and len(unknown) > 1:
        with ThreadPoolExecutor(2, "tiffin-digest") as threads:
            done: Iterator[WrittenFile] = threads.map(_hash_and_sync, unknown, [ledger] * len(unknown))
            fresh = dict(zip(unknown, done, strict=True))
    else:
        fresh = {path: _hash_and_sync(path, ledger) for path in unknown}
    return {
        file: fresh[path] if path in fresh else _not_none(written)
        for file, path, written in zip(files, paths, known, strict=True)
    }


def _hash_and_sync(path: str, ledger: WriteLedger) -> WrittenFile:
    written = ledger.lookup(path) or digest_file(path)
    sync_file(path)
    return written


def _not_none(written: WrittenFile | None) -> WrittenFile:
    assert written is not None
    return written

"""Export: one stored version becomes one archive, streamed, its digests checked on the way."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tiffin.archives._attested import attestation_members
from tiffin.archives._exemplified import example_members
from tiffin.archives._formats import FORMATS, SUFFIXES, check_format, format_of_name, unknown_ending
from tiffin.archives._writer import Member, write_archive
from tiffin.exceptions import ArchiveError
from tiffin.files import unreadable
from tiffin.info import RECORD_NAME, FileEntry, ModelInfo, Paths, render_record
from tiffin.model import Model, accepted_info
from tiffin.places import (
    PIECE,
    Digest,
    Progress,
    Silent,
    compose,
    exists_error,
    is_url,
    open_target,
    redact,
    told,
)
from tiffin.places import parents as made_parents
from tiffin.showing import close_names
from tiffin.store import ModelStore
from tiffin.tags import Tag


def export_model(
    tag: str | Tag | Model,
    path: str | os.PathLike[str] = ".",
    output_format: str | None = None,
    *,
    subpath: str | None = None,
    protocol: str | None = None,
    user: str | None = None,
    passwd: str | None = None,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    parents: bool = False,
    progress: Progress | None = None,
    store: ModelStore,
) -> str:
    """Write one version as one archive or folder.

    Streams: holds no more than some MiB in memory and makes no second copy on disk. Two exports of one version are the same
    bytes. What was written before an error does not stay.

    Args:
        tag: which version.
        path: a file, an existing folder, or a URL that fsspec opens. In a folder, or under a path or URL that ends in
            "/", the archive is called `<name>-<version>.tiffin`.
        output_format: one of FORMATS; default: by the path's ending, "tiffin" where it has none.
        subpath, protocol, user, passwd: parts of a URL, where `path` is not one.
        params: options of the fsspec file system.
        force: whether a file that exists is replaced.
        parents: whether missing folders above a local path are made.
        progress: told how far it is.
        store: the store.

    Returns:
        The path or URL of what was written.

    Raises:
        ModelNotFoundError: there is no such version.
        RecordError: its record was edited by hand and is not accepted.
        ArchiveError: it cannot be written, its ending is no format's; or a file of the model is not what was saved.
    """
    model = tag if isinstance(tag, Model) else store.get(tag)
    info = accepted_info(model, "Whoever imports the archive would refuse it")
    target, kind = _target(
        compose(path, protocol=protocol, user=user, passwd=passwd, subpath=subpath, params=params), output_format, model
    )
    _check_paths(info, model)
    progress = progress or Silent()
    progress.start(f"Exporting {model.tag}", info.size)
    members = _members(model, info, store, progress)
    if kind == "folder":
        _write_folder(Path(target).expanduser(), members, force=force, make_parents=parents)
    else:
        with open_target(target, params, size=info.size, replace=force, make_parents=parents) as file:
            write_archive(file, kind, members)
    return redact(target)


def _target(path: str, output_format: str | None, model: Model) -> tuple[str, str]:
    kind = check_format(output_format) if output_format else None
    inside = path.endswith("/") or (not is_url(path) and os.path.isdir(os.path.expanduser(path)))
    if inside:
        suffix = "" if kind == "folder" else f".{kind or 'tiffin'}"
        return f"{path.rstrip('/')}/{model.name}-{model.version}{suffix}", kind or "tiffin"
    named = format_of_name(path)
    if kind is None and (ending := unknown_ending(path)):
        close = close_names(ending, [known for known, named in SUFFIXES.items() if named in FORMATS], 1)
        raise ArchiveError(
            f"{redact(path)} ends in {ending!r}, which is no format that is written",
            why="Formats are " + ", ".join(FORMATS),
            fix=(f"Did you mean {close[0]!r}? " if close else "")
            + "Choose another ending, or name the format: output_format=… (--format)",
            path=path,
            member="",
        )
    if kind == "folder" and is_url(path):
        raise ArchiveError(
            f"A folder cannot be written to {redact(path)}",
            fix="Export an archive, or push to a remote",
            path=path,
            member="",
        )
    return path, kind or named or "tiffin"


def _members(model: Model, info: ModelInfo, store: ModelStore, progress: Progress) -> Iterator[Member]:
    # The record comes first, so that a reader knows what must follow before it unpacks anything.
    record = render_record(info)
    yield Member(RECORD_NAME, len(record), lambda: io.BytesIO(record))
    yield from attestation_members(store, info, model.path)
    yield from example_members(store, info)
    for path, entry in sorted(info.files.items()):
        yield Member(path, entry.size, functools.partial(_checked, model, path, entry, progress))


@contextlib.contextmanager
def _checked(model: Model, path: str, entry: FileEntry, progress: Progress) -> Iterator[Any]:
    try:
        source = (model.path / path).open("rb", buffering=0)
    except FileNotFoundError as error:
        raise _changed(model, path) from error
    except PermissionError as error:
        raise unreadable(f"The model '{model.tag}'", error, str(model.path)) from error
    with source, Digest(entry.size) as digest:
        if os.fstat(source.fileno()).st_size != entry.size:
            raise _changed(model, path)
        yield _Hashing(source, digest, progress)
        if digest.hexdigest() != entry.sha256:
            raise _changed(model, path)


def _changed(model: Model, path: str) -> ArchiveError:
    return ArchiveError(
        f"The file {path!r} of model '{model.tag}' is not what was saved",
        why="An archive of it would be refused wherever it is imported",
        fix=f"Try: tiffin models verify {model.tag}",
        path=str(model.path / path),
        member=path,
    )


class _Hashing:
    def __init__(self, source: Any, digest: Digest, progress: Progress) -> None:
        self._source = source
        self._digest = digest
        self._progress = progress

    def read(self, size: int) -> bytes:
        data: bytes = self._source.read(size)
        self._digest.update(data)
        self._progress.advance(len(data))
        return data


def _check_paths(info: ModelInfo, model: Model) -> None:
    paths = Paths()
    for path in info.files:
        if wrong := paths.add(path):
            raise ArchiveError(
                f"Model '{model.tag}' cannot be exported because of its file {path!r}: {wrong}",
                why="Not every system could hold it, so an archive of it would be refused wherever it is imported",
                fix="Save the model again with the file renamed",
                path=str(model.path),
                member=path,
            )


def _write_folder(final: Path, members: Iterator[Member], *, force: bool, make_parents: bool) -> None:
    if os.path.lexists(final) and not force:
        raise exists_error(str(final))
    temporary = final.with_name(f".{final.name[:200]}.{uuid.uuid4().hex[:8]}.part")
    before = temporary.with_suffix(".old")
    with told(str(final), "write"), made_parents(final, str(final), make=make_parents):
        try:
            for member in members:
                path = temporary / member.path
                path.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, path.open("xb") as file:
                    shutil.copyfileobj(source, file, PIECE)
                    file.flush()
                    os.fsync(file.fileno())
            if os.path.lexists(final):
                # A folder cannot be replaced in one step: what was there goes aside, and back if that fails.
                final.rename(before)
            try:
                temporary.rename(final)
            except OSError:
                before.rename(final)
                raise
        finally:
            for rest in (temporary, before):
                if rest.is_dir() and not rest.is_symlink():
                    shutil.rmtree(rest, ignore_errors=True)
                else:
                    rest.unlink(missing_ok=True)

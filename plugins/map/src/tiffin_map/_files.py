"""The files of a source: found below a path or URL, told apart by their endings, known again by what they hold."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from tiffin.places import file_system, is_url, redact, told
from tiffin_map._errors import MapError

FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".npy": "npy",
}
"""Ending → format."""

COMPRESSIONS: Mapping[str, str] = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
"""Ending → how a file of lines is compressed."""

LINES = ("csv", "tsv", "jsonl")
"""Formats whose rows are lines; only these may be compressed as a whole."""


@attrs.frozen
class SourceFile:
    """One file with rows.

    Attributes:
        name: its path below the source, or its own name where it is the source.
        place: its name in the file system.
        format: one of `FORMATS`.
        compression: one of `COMPRESSIONS`, or empty.
        size: bytes.
        mark: what changes when it does: an ETag, or a time.
    """

    name: str
    place: str
    format: str
    compression: str
    size: int
    mark: str


@attrs.frozen
class Source:
    """Files with rows, in the order in which they are read.

    Attributes:
        path: the path or URL, without secrets.
        files: the files.
        system: the fsspec file system that they are in.
        local: whether that is this machine's.
    """

    path: str
    files: Sequence[SourceFile]
    system: Any
    local: bool

    def open(self, file: SourceFile) -> Any:
        """Open a file for reading, from any place in it."""
        with told(self.path, "read"):
            return self.system.open(file.place, "rb")

    def digest(self) -> str:
        """Return what tells this input from any other.

        On this machine a digest of all names and bytes; elsewhere of names, sizes, and what the place says of changes, so
        that nothing travels twice.
        """
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\0{file.size}\0".encode())
            digest.update(self._content(file) if self.local else file.mark.encode())
        return f"sha256:{digest.hexdigest()}"

    def _content(self, file: SourceFile) -> bytes:
        with self.open(file) as opened:
            return hashlib.file_digest(opened, "sha256").digest()

    def changed(self) -> list[str]:
        """Return the names of files that are not as they were when they were found."""
        names = []
        for file in self.files:
            try:
                self.system.invalidate_cache()
                now = self.system.info(file.place)
            except FileNotFoundError:
                names.append(file.name)
                continue
            if (int(now["size"]), _mark(now)) != (file.size, file.mark):
                names.append(file.name)
        return names


@contextlib.contextmanager
def open_source(path: str | os.PathLike[str], params: Mapping[str, Any] | None = None) -> Iterator[Source]:
    """Find the files of a source.

    Args:
        path: a file, a folder, or a pattern with `*`; a local path, or a URL that fsspec opens. In a folder what begins
            with "_" or "." is passed over, as every engine does.
        params: options of the URL's driver.

    Raises:
        MapError: there is nothing there, files of several formats, or some of none that is known.
        ArchiveError: the place cannot be read, or its driver is missing.
    """
    text = os.fspath(path)
    shown = redact(text)
    with contextlib.ExitStack() as stack:
        if is_url(text):
            system, place = stack.enter_context(file_system(text, params, "read"))
        else:
            from fsspec.implementations.local import LocalFileSystem

            system, place = LocalFileSystem(), str(Path(text).expanduser().absolute())
        with told(shown, "read"):
            found = _find(system, place)
        if not found:
            raise MapError(
                f"There is no file with rows at {shown!r}", fix="Give a file, a folder of files, or a pattern"
            )
        files = [_source_file(name, about, shown) for name, about in sorted(found.items())]
        _refuse_mixed(files, shown)
        yield Source(shown, files, system, local=not is_url(text))


def _find(system: Any, place: str) -> dict[str, dict[str, Any]]:
    """Return what is there: its name for people → what the file system says of it."""
    if "*" in place:
        return {posixpath.basename(name): about for name, about in _files(system.glob(place, detail=True))}
    if not system.exists(place):
        return {}
    about = system.info(place)
    if about["type"] == "file":
        return {posixpath.basename(about["name"]): about}
    root = about["name"].rstrip("/") + "/"
    named = ((name.removeprefix(root), about) for name, about in _files(system.find(place, detail=True)))
    return {name: about for name, about in named if not any(part[:1] in "_." for part in name.split("/"))}


def _files(listed: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, about) for name, about in listed.items() if about["type"] == "file")


def _source_file(name: str, about: Mapping[str, Any], source: str) -> SourceFile:
    stem, ending = posixpath.splitext(name.lower())
    compression = COMPRESSIONS.get(ending, "")
    kind = FORMATS.get(posixpath.splitext(stem)[1] if compression else ending, "")
    if not kind or (compression and kind not in LINES):
        endings = ", ".join(FORMATS)
        raise MapError(
            f"The file {name!r} of {source!r} has no format that is known by its ending",
            why=f"Read are {endings}; lines also with {', '.join(COMPRESSIONS)} behind it",
            fix="Rename it, or give a pattern that leaves it out, such as 'folder/*.parquet'",
        )
    return SourceFile(name, str(about["name"]), kind, compression, int(about["size"]), _mark(about))


def _mark(about: Mapping[str, Any]) -> str:
    keys = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "modified", "updated")
    return next((str(about[key]) for key in keys if about.get(key)), "")


def _refuse_mixed(files: Sequence[SourceFile], source: str) -> None:
    formats = sorted({file.format for file in files})
    if len(formats) > 1:
        raise MapError(
            f"{source!r} holds files of several formats: {', '.join(formats)}",
            why="Their rows have no one form",
            fix="Give a pattern for those of one format, such as 'folder/*.parquet'",
        )

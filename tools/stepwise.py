"""Versions in memory, for tests of remotes: pushed and pulled step by step, as core does it."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import io
from typing import Any, NamedTuple

import attrs

from tiffin.info import FileEntry, ModelInfo, render_record
from tiffin.remotes import Content, Remote, RemoteVersion

FILES = {
    "weights.bin": bytes(range(256)) * 1024,
    "parts/notes.md": b"# notes\n",
    "parts/empty": b"",
    "config.json": b"{}",
}

CREATED = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC)


class Version(NamedTuple):
    """A version as core hands it to a remote."""

    name: str
    version: str
    record: bytes
    contents: list[Content]
    files: dict[str, bytes]


def make_version(files: dict[str, bytes] | None = None, tag: str = "iris:v1", **changes: Any) -> Version:
    """Make a version of files in memory."""
    files = FILES if files is None else files
    name, _, version = tag.partition(":")
    entries = {path: FileEntry(len(data), hashlib.sha256(data).hexdigest()) for path, data in sorted(files.items())}
    changes.setdefault("creation_time", CREATED)
    info = ModelInfo(name=name, version=version, files=entries, **changes)
    record = render_record(attrs.evolve(info, content_digest=info.compute_digest()))
    contents = [Content(sha256=e.sha256, size=e.size, path=path) for path, e in entries.items()]
    return Version(name, version, record, contents, files)


def push(remote: Remote, version: Version, *, force: bool = False) -> list[str]:
    """Push a version as core does, and return the paths that were sent."""
    remote.prepare(version.name, version.version, version.record, version.contents, force=force)
    sent = []
    for content in version.contents:
        if not remote.has(version.name, content.sha256, content.size):
            data = version.files[content.path]
            remote.send(version.name, content.sha256, content.size, functools.partial(opened, data))
            sent.append(content.path)
    remote.publish(version.name, version.version, version.record, version.contents, force=force)
    return sent


def opened(data: bytes) -> contextlib.closing[io.BytesIO]:
    """Open bytes as a source."""
    return contextlib.closing(io.BytesIO(data))


def pull(remote: Remote, version: RemoteVersion, content: Content, offset: int = 0, piece: int = 1 << 16) -> bytes:
    """Read a content to its end."""
    data = bytearray()
    with remote.open(version, content, offset) as source:
        while found := source.read(piece):
            data += found
    return bytes(data)

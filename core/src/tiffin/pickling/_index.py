"""Which files a pickle consists of, what goes into which, and the index that ties them together."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tiffin.exceptions import PicklingError

FORMAT = 1
"""The index's format version. A higher one is refused."""

CODE_FILES = ("*.pkl",)
"""Glob patterns of the files that run code when they are loaded; the others hold bytes and numbers only."""

OWN_FILE = 1 << 20
"""Bytes from which on a buffer has a file, and so a blob, of its own. Copying a MiB takes as long as mapping one."""

STREAM_BUDGET = 1 << 20
"""Bytes of smaller buffers that stay in the stream before a pack is begun.

Each further file costs a sync, which takes longer than to write and read back such a model altogether.
"""

TINY = 2 << 10
"""Bytes below which a buffer stays in the stream in any case: its index entry would cost more than copying it."""

ALIGNMENT = 64
"""Offsets in the pack are multiples of this many bytes: a cache line, and the widest vector register."""

_MOST = 64 << 20
"""Bytes of an index: a million buffers. Read, it takes many times its size."""

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?", re.ASCII)


def check_name(name: str) -> str:
    """Return `name` if files may be called after it: letters, digits, ".", "_", "-", no "." first or last."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise PicklingError(
        f"{name!r} cannot name a pickle",
        why="The name becomes part of file names",
        fix="Use letters, digits, '_' and '-', for example 'model'",
    )


def stream_file(name: str) -> str:
    """Return the name of the file that holds the pickle stream."""
    return f"{name}.pkl"


def index_file(name: str) -> str:
    """Return the name of the file that holds the index; it exists only if there are buffers outside the stream."""
    return f"{name}.buffers.json"


def pack_file(name: str) -> str:
    """Return the name of the file that holds the smaller buffers."""
    return f"{name}.packed.buffer"


def buffer_file(name: str, number: int) -> str:
    """Return the name of the file that holds one large buffer, counted from 0."""
    return f"{name}.{number}.buffer"


class Index:
    """Where each buffer of a pickle lies, in the order in which the stream asks for them.

    Attributes:
        stream: size in bytes of the pickle stream that the buffers belong to.
        files: name and size in bytes of each buffer file.
        buffers: for each buffer: number of the file in `files`, offset, length in bytes.
    """

    def __init__(
        self,
        stream: int = 0,
        files: list[tuple[str, int]] | None = None,
        buffers: list[tuple[int, int, int]] | None = None,
    ) -> None:
        self.stream = stream
        self.files = files or []
        self.buffers = buffers or []

    def to_bytes(self) -> bytes:
        """Return the index as JSON."""
        import json

        record = {"format": FORMAT, "stream": self.stream, "files": self.files, "buffers": self.buffers}
        return json.dumps(record, separators=(",", ":")).encode()

    @classmethod
    def from_file(cls, path: Path, name: str) -> Index:
        """Read and check the index at `path`.

        Args:
            path: the index file.
            name: the pickle's name; an index may only point to files called after it, beside it.

        Raises:
            PicklingError: the file is no index, contradicts itself, or is of a newer format.
        """
        import json

        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > _MOST:
                    raise ValueError(f"it has more than {_MOST} bytes")
                record: Any = json.loads(file.read(size))  # to ask for more than there is costs memory for it
            version = record["format"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _damaged(path, f"It is not an index of buffers ({error})") from error
        if version != FORMAT:
            raise PicklingError(
                f"The pickle '{path}' has format version {version!r}",
                why=f"This Tiffin reads version {FORMAT}",
                fix="Upgrade Tiffin, or save the model again with this one",
                path=str(path),
            )
        try:
            index = cls(
                _count(record["stream"]),
                [(file, _count(size)) for file, size in record["files"]],
                [(_count(number), _count(offset), _count(length)) for number, offset, length in record["buffers"]],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path, f"It is not an index of buffers ({error!r})") from error
        index._check(path, name)
        return index

    def _check(self, path: Path, name: str) -> None:
        ours = re.compile(re.escape(name) + r"\.(?:[0-9]+|packed)\.buffer", re.ASCII)
        for file, _ in self.files:
            # A name such as '../../x' would map a file that is no part of the model.
            if not isinstance(file, str) or not ours.fullmatch(file):
                raise _damaged(path, f"It names the file {file!r}, which is no buffer file of this pickle")
        for number, offset, length in self.buffers:
            if number >= len(self.files) or offset + length > self.files[number][1]:
                raise _damaged(path, f"It has a buffer at {(number, offset, length)}, which is in none of its files")


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _damaged(path: Path, why: str) -> PicklingError:
    return PicklingError(
        f"The file '{path}' is damaged", why=why, fix="Restore it from a copy of the model", path=str(path)
    )

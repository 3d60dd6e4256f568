"""Tar, read from front to back: every byte is looked at, and all that no honest archive of a model holds is refused.

Understood are POSIX ustar and pax (IEEE Std 1003.1) and GNU's headers for long names, so that what other tools have packed
again can be read. Python's own tarfile is not used to read: it takes headers of any size into memory, follows chains of
headers by recursion, and passes over much that is damaged.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from tiffin.archives._rules import Checks, Entry, without_dot
from tiffin.places import PIECE

BLOCK = 512
_ZEROS = bytes(BLOCK)
_HEADER = 1 << 20
"""Bytes that a header of variable length may have: it is read into memory."""
_PADDING = 16 << 20
"""Bytes of zeros that may follow the end: tapes were written in blocks of some size."""

_CHECKSUM = re.compile(rb"[0-7]{6}\0 ")
_NUMBER = re.compile(rb" *([0-7]+)[ \0]*")
_LENGTH = re.compile(rb"[1-9][0-9]{0,6} ")
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


def read_tar(source: Any, checks: Checks) -> Iterator[Entry]:
    """Yield the files of a tar archive, which ends where the source ends.

    Args:
        source: what to read from; never sought in.
        checks: the rules to keep.
    """
    return _Tar(source, checks).entries()


class _Tar:
    def __init__(self, source: Any, checks: Checks) -> None:
        self._source = source
        self._checks = checks

    def entries(self) -> Iterator[Entry]:
        long_name: str | None = None
        pax: dict[str, bytes] = {}
        while (header := self._read(BLOCK, "")) != _ZEROS:
            kind, name, size = self._header(header)
            if kind in (b"x", b"g", b"L", b"K"):
                self._checks.check_count(name)
                content = self._content(size, name)
                if (kind == b"x" and pax) or (kind == b"L" and long_name is not None):
                    self._refuse(name, "it has two headers of one kind")
                if kind == b"L":
                    long_name = self._text(content.rstrip(b"\0"), name)
                elif kind == b"x":
                    pax = self._pax(content, name)
                elif kind == b"g" and self._pax(content, name).keys() & {"path", "size"}:
                    self._refuse(name, "it gives all files one path or size")
                continue
            if "path" in pax:
                if long_name is not None:
                    self._refuse(name, "it has two names")
                name = self._text(pax["path"], name)
            elif long_name is not None:
                name = long_name
            if "size" in pax:
                size = self._decimal(pax["size"], name)
            if any(key.startswith("GNU.sparse.") for key in pax):
                self._refuse(name, "it is a sparse file")
            long_name, pax = None, {}
            if kind == b"5":
                if size:
                    self._refuse(name, "it is a folder with content")
                self._checks.check_folder(name)
            elif kind in (b"0", b"\0"):
                yield from self._file(without_dot(name), size)
            else:
                self._refuse(name, f"it is {_KINDS.get(kind, f'of the unknown kind {kind!r}')}")
        if pax or long_name is not None:
            raise self._checks.damaged("no file follows its last header")
        self._end()

    def _file(self, path: str, size: int) -> Iterator[Entry]:
        self._checks.check_path(path)
        self._checks.check_size(path, size)
        stream = _Content(self._source, size, self._checks, path)
        yield Entry(path, size, stream)  # type: ignore[arg-type]  # reads as IO[bytes] does
        while stream.read(PIECE):
            pass
        self._filling(size, path)

    def _header(self, header: bytes) -> tuple[bytes, str, int]:
        stated = header[148:156]
        if header[257:263] not in (b"ustar\0", b"ustar "):
            raise self._checks.damaged("a header is not one of tar")
        if not _CHECKSUM.fullmatch(stated) or int(stated[:6], 8) != sum(header) - sum(stated) + 8 * 0x20:
            raise self._checks.damaged("the checksum of a header does not fit")
        name = header[:100].split(b"\0", 1)[0]
        if header[257:265] == b"ustar\x0000":
            prefix = header[345:500].split(b"\0", 1)[0]
            name = prefix + b"/" + name if prefix else name
        text = self._text(name, repr(name))
        size = header[124:136]
        if size[0] == 0x80:  # GNU's form of numbers beyond 8 GiB
            return header[156:157], text, int.from_bytes(size[1:], "big")
        number = _NUMBER.fullmatch(size)
        if not number:
            raise self._checks.damaged(f"its size {size!r} is no number", text)
        return header[156:157], text, int(number[1], 8)

    def _content(self, size: int, name: str) -> bytes:
        if size > _HEADER:
            self._refuse(name, f"it has a header of {size} bytes")
        content = self._read(size, name)
        self._filling(size, name)
        return content

    def _pax(self, content: bytes, name: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        at = 0
        while at < len(content):
            length = _LENGTH.match(content, at)
            end = at + int(length[0]) if length else 0
            key, equals, value = content[length.end() : end - 1].partition(b"=") if length else (b"", b"", b"")
            if not equals or end > len(content) or content[end - 1 : end] != b"\n":
                raise self._checks.damaged("its extended header is not one", name)
            text = self._text(key, name)
            if text in found:
                self._refuse(name, f"its extended header states {text!r} twice")
            found[text] = value
            at = end
        return found

    def _text(self, data: bytes, name: str) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._checks.refuse(name, "its path is not UTF-8") from None

    def _decimal(self, data: bytes, name: str) -> int:
        if not data.isdigit() or len(data) > 20:
            raise self._checks.damaged(f"its size {data[:20]!r} is no number", name)
        return int(data)

    def _filling(self, size: int, name: str) -> None:
        # What fills the last block is no part of any file, so only this look tells that it was changed.
        if self._read(-size % BLOCK, name).strip(b"\0"):
            raise self._checks.damaged("the filling behind it is not empty", name)

    def _end(self) -> None:
        if self._read(BLOCK, "") != _ZEROS:
            raise self._checks.damaged("its end is not marked as one")
        # What the archive states as its end must be its end: else a second archive would go unnoticed.
        count = 0
        while rest := self._source.read(PIECE):
            count += len(rest)
            if rest.strip(b"\0") or count > _PADDING:
                raise self._checks.damaged("more data follows its end")

    def _read(self, size: int, name: str) -> bytes:
        data = read_exactly(self._source, size)
        if len(data) < size:
            raise self._checks.damaged("it is cut off", name)
        return data

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise self._checks.refuse(name, why)


class _Content(io.RawIOBase):
    """One file's bytes, whole or an error."""

    def __init__(self, source: Any, size: int, checks: Checks, path: str) -> None:
        self._source = source
        self._left = size
        self._checks = checks
        self._path = path

    def read(self, size: int = -1) -> bytes:
        count = self._left if size < 0 else min(size, self._left)
        if not count:
            return b""
        data: bytes = self._source.read(count)
        if not data:
            raise self._checks.damaged("it is cut off", self._path)
        self._left -= len(data)
        return data


def read_exactly(source: Any, size: int) -> bytes:
    """Return the next `size` bytes, fewer only at the end: sources may give fewer at a time."""
    data: bytes = source.read(size) if size else b""
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            break
        data += more
    return data

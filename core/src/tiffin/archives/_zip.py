"""Zip, read from front to back: the list at its end must say exactly what was found on the way to it.

Nothing is sought, so a zip may come from a pipe, and nothing can hide: between the files, before them, behind the list, or in
a file that stands in two places (PKWARE's APPNOTE 6.3 is the format). Python's zipfile is not used to read: it holds a list
of any size in memory, and believes the list alone.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from tiffin.archives._rules import Checks, Entry, without_dot
from tiffin.places import PIECE

_LOCAL, _CENTRAL, _DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_BIG = 0xFFFFFFFF
_BEHIND, _DEFLATE_LEVEL, _UTF8 = 0x8, 0x6, 0x800
"""Flags: sizes and checksum stand behind the content; how hard it was packed; the name is UTF-8."""


class _Found(NamedTuple):
    """What is known of a file once it has been read, in the order of the fields of the list."""

    flags: int
    method: int
    time: int
    date: int
    checksum: int
    packed: int
    size: int
    name: bytes
    offset: int


def read_zip(source: Any, checks: Checks) -> Iterator[Entry]:
    """Yield the files of a zip archive, which begins and ends where the source does.

    Args:
        source: what to read from; never sought in.
        checks: the rules to keep.
    """
    return _Zip(source, checks).entries()


class _Zip:
    def __init__(self, source: Any, checks: Checks) -> None:
        self._source = _Pushback(source)
        self._checks = checks
        self._found: list[_Found] = []
        self._unpacked = 0

    def entries(self) -> Iterator[Entry]:
        signature = self._read(4)
        while signature == _LOCAL:
            yield from self._member(self._source.count - 4)
            signature = self._read(4)
        start = self._source.count - 4
        for found in self._found:
            if signature != _CENTRAL:
                raise self._checks.damaged("its list does not name it", _plain_text(found.name))
            self._compare(found)
            signature = self._read(4)
        self._end(signature, start)

    def _member(self, offset: int) -> Iterator[Entry]:
        fields = struct.unpack("<HHHHHIIIHH", self._read(26))
        _, flags, method, time, date, checksum, packed, size, name_length, extra_length = fields
        raw = self._read(name_length)
        name = self._name(raw)
        wide = self._extra(self._read(extra_length), name, (size, packed))
        if wide:
            size, packed = wide
        if flags & ~(_BEHIND | _DEFLATE_LEVEL | _UTF8):
            how = "encrypted" if flags & 1 else f"of a kind that is not read (flags {flags:#x})"
            raise self._checks.refuse(name, f"it is {how}")
        behind = bool(flags & _BEHIND)
        if method not in (0, 8):
            raise self._checks.refuse(name, f"it is packed by the unknown method {method}")
        if method == 0 and (behind or packed != size):
            raise self._checks.refuse(name, "it is stored without packing, and where it ends is not stated")
        if name.endswith("/"):
            self._checks.check_folder(name)
        else:
            self._checks.check_path(without_dot(name))
        content = _Content(self, name, method, None if behind else packed)
        if name.endswith("/"):
            if content.read(1):
                raise self._checks.refuse(name, "it is a folder with content")
        else:
            self._checks.check_size(name, 0 if behind else size)
            yield Entry(without_dot(name), None if behind else size, content)  # type: ignore[arg-type]  # reads as IO[bytes] does
        while content.read(PIECE):
            pass
        if behind:
            if (checksum, size, packed) not in ((0, 0, 0), (0, _BIG, _BIG)):
                raise self._checks.damaged("sizes stand before and behind it", name)
            form = "<IQQ" if wide else "<III"
            if self._read(4, name) != _DESCRIPTOR:
                raise self._checks.damaged("what follows is not its size", name)
            checksum, packed, size = struct.unpack(form, self._read(struct.calcsize(form), name))
            self._checks.check_size(name, size)
        if (checksum, packed, size) != (content.checksum, content.packed, content.size):
            raise self._checks.damaged("its content is not what the archive states", name)
        self._found.append(_Found(flags, method, time, date, checksum, packed, size, raw, offset))

    def _compare(self, found: _Found) -> None:
        name = _plain_text(found.name)
        fields = struct.unpack("<HHHHHHIIIHHHHHII", self._read(42, name))
        _, _, flags, method, time, date, checksum, packed, size = fields[:9]
        name_length, extra_length, comment_length, disk, _, attributes, offset = fields[9:]
        raw = self._read(name_length, name)
        wide = self._extra(self._read(extra_length, name), name, (size, packed, offset))
        if wide:
            size, packed, offset = wide
        if comment_length or disk:
            raise self._checks.refuse(name, "it has a comment, or is said to be on another disk")
        if _Found(flags, method, time, date, checksum, packed, size, raw, offset) != found:
            raise self._checks.refuse(name, "the list at the end states something else than stands before it")
        kind = stat.S_IFMT(attributes >> 16)
        if kind not in (0, stat.S_IFDIR if name.endswith("/") else stat.S_IFREG):
            raise self._checks.refuse(name, "it is a link or a special file")

    def _end(self, signature: bytes, start: int) -> None:
        count, length = len(self._found), self._source.count - 4 - start
        wide = signature == _END64
        if wide:
            size, _, _, disk, list_disk, here, total, stated, at = struct.unpack("<QHHIIQQQQ", self._read(52))
            if (size, disk, list_disk, here, total, stated, at) != (44, 0, 0, count, count, length, start):
                raise self._checks.damaged("its end does not fit what stands before it")
            if self._read(4) != _LOCATOR or struct.unpack("<IQI", self._read(16)) != (0, start + length, 1):
                raise self._checks.damaged("its end does not fit what stands before it")
            signature = self._read(4)
        if signature != _END:
            raise self._checks.damaged("what follows its files is neither a file nor its end")
        fields = struct.unpack("<HHHHIIH", self._read(18))
        exact = (0, 0, count, count, length, start, 0)
        capped = (0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(length, _BIG), min(start, _BIG), 0)
        if fields != exact and not (wide and fields == capped):
            raise self._checks.damaged("its end does not fit what stands before it, or it has a comment")
        if self._source.read(1):
            raise self._checks.damaged("more data follows its end")

    def _name(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self._checks.refuse(repr(raw), "its path is not UTF-8") from None

    def _extra(self, data: bytes, name: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers with those that did not fit 32 bits, where there is a field for them; else nothing."""
        result: tuple[int, ...] = ()
        at = 0
        while at < len(data):
            if at + 4 > len(data):
                raise self._checks.damaged("its extra fields are cut off", name)
            kind, length = struct.unpack_from("<HH", data, at)
            content = data[at + 4 : at + 4 + length]
            if len(content) != length:
                raise self._checks.damaged("its extra fields are cut off", name)
            if kind == 1:
                # Older Pythons state both sizes here beside those in the header, and not only those that did not fit it.
                narrow = [number for number in numbers if number == _BIG] or list(numbers[:2])
                if result or length != 8 * len(narrow):
                    raise self._checks.damaged("its sizes are stated in more than one way", name)
                wide = iter(struct.unpack(f"<{length // 8}Q", content))
                if _BIG in numbers:
                    result = tuple(next(wide) if number == _BIG else number for number in numbers)
                else:
                    result = (*wide, *numbers[2:])
                    if result != numbers:
                        raise self._checks.damaged("its sizes are stated in two ways that differ", name)
            elif kind == 0x7075 and content[5:] != name.encode():
                raise self._checks.refuse(name, "it has two names")
            at += 4 + length
        return result

    def unpacked(self, count: int) -> None:
        """Note that so many more bytes were unpacked."""
        self._unpacked += count
        self._checks.check_unpacked(self._source.count, self._unpacked)

    def _read(self, size: int, name: str = "") -> bytes:
        data = self._source.read_exactly(size)
        if len(data) < size:
            raise self._checks.damaged("it is cut off", name)
        return data


class _Pushback:
    """A stream of which something can be given back; counts what was taken."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._back = b""
        self.count = 0

    def read(self, size: int) -> bytes:
        if self._back:
            data, self._back = self._back[:size], self._back[size:]
        else:
            data = self._source.read(size)
        self.count += len(data)
        return data

    def read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self.read(size - len(data))):
            data += more
        return data

    def give_back(self, data: bytes) -> None:
        self._back = data + self._back
        self.count -= len(data)


class _Content(io.RawIOBase):
    """One file's bytes, unpacked; its sizes and checksum are known once it has been read to its end."""

    def __init__(self, archive: _Zip, name: str, method: int, packed: int | None) -> None:
        self._archive = archive
        self._source: _Pushback = archive._source
        self._name = name
        self._left = packed
        self._decoder = zlib.decompressobj(-15) if method == 8 else None
        self._ended = False
        self._input = b""
        self.packed = self.size = self.checksum = 0

    def read(self, size: int = -1) -> bytes:
        data = self._next(PIECE if size < 0 else min(size, PIECE))
        self.size += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        self._archive.unpacked(len(data))
        return data

    def _next(self, room: int) -> bytes:
        if self._decoder is None:
            return self._take(room)
        while not self._ended:
            fresh = self._input or self._take(PIECE)
            try:
                data = self._decoder.decompress(fresh, room)
            except zlib.error as error:
                raise self._archive._checks.damaged(str(error), self._name) from error
            self._input = self._decoder.unconsumed_tail
            if self._decoder.eof:
                self._ended = True
                rest = self._decoder.unused_data
                self._source.give_back(rest)
                self.packed -= len(rest)
            elif not fresh and not data:
                raise self._archive._checks.damaged("it is cut off", self._name)
            if data:
                return data
        return b""

    def _take(self, room: int) -> bytes:
        wanted = room if self._left is None else min(room, self._left - self.packed)
        data = self._source.read(wanted) if wanted else b""
        if wanted and not data:
            raise self._archive._checks.damaged("it is cut off", self._name)
        self.packed += len(data)
        return data


def _plain_text(name: bytes) -> str:
    return name.decode(errors="backslashreplace")

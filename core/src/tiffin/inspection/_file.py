"""Inspection of a file, as the reader that will load it reads it."""

from __future__ import annotations

import ast
import contextlib
import zipfile
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Literal

import attrs

from tiffin.inspection._inert import Unfollowable
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._machine import Machine
from tiffin.inspection._source import Source
from tiffin.inspection._unpack import Budget, Unpacked, decoder_for

Reader = Literal["pickle", "joblib", "any"]
"""What reads a file: Python's pickle; joblib; or whatever the file's first bytes look like."""

_HEADER = 1 << 16
_PICKLES = (".pkl", ".pickle", ".joblib", ".p", ".pt", ".pth", ".bin", ".ckpt", ".dat")


@attrs.frozen
class Inspection:
    """What was found in a file.

    Attributes:
        format: what the file is, in a few words.
        names: dotted names of all that the file would import, sorted; "module:Outer.name" for what is nested in a class.
        problems: what could not be followed, or what no honest file does, as sentences; a file with a problem is never
            safe.
    """

    format: str
    names: tuple[str, ...]
    problems: tuple[str, ...] = ()


def inspect_file(path: Path, reader: Reader = "any", limits: InspectionLimits | None = None) -> Inspection:
    """Return what a file would import when it is loaded. Loads and runs nothing; memory is bounded.

    Args:
        path: the file.
        reader: how it will be read. One file may be different things to different readers, so what counts is the one that
            will load it. "pickle" takes the file for one plain pickle, as Python's own unpickler does; "joblib" knows the
            raw arrays in joblib's files, and their compression; "any" looks at the first bytes, and knows zip archives and
            numpy's files too.
        limits: how much work to do.

    Raises:
        OSError: the file cannot be read.
    """
    inspector = _Inspector(limits or InspectionLimits())
    try:
        inspector.stream(lambda: path.open("rb"), "the file", reader, 0)
    except Unfollowable as error:
        inspector.problem(f"The file cannot be followed: {error}")
    return Inspection(", ".join(inspector.formats), tuple(sorted(inspector.found)), tuple(inspector.problems))


class _Inspector:
    def __init__(self, limits: InspectionLimits) -> None:
        self.limits = limits
        self.found: set[str] = set()
        self.problems: list[str] = []
        self.formats: dict[str, None] = {}
        self.budget = Budget(limits.max_unpacked)

    def problem(self, text: str) -> None:
        if text not in self.problems and len(self.problems) < 100:
            self.problems.append(text)

    def stream(self, opener: Callable[[], Any], where: str, reader: Reader, depth: int) -> None:
        """Inspect what `opener` opens, from its beginning, as often as needed."""
        if depth > self.limits.max_depth:
            raise Unfollowable(f"{where} is nested more than {self.limits.max_depth} levels deep")
        with contextlib.closing(_Opened(opener())) as opened:
            start = opened.read(8)
        if reader != "pickle" and decoder_for(start) is not None:
            self.formats["compressed"] = None
            self.stream(lambda: _Chained(opener(), self.budget), where, reader, depth + 1)
        elif reader == "any" and start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            self.formats["zip"] = None
            self._zip(opener, where, depth)
        elif reader == "any" and start.startswith(b"\x93NUMPY"):
            self._told(opener, where, self._array)
        else:
            self._told(opener, where, lambda source: self._pickles(source, where, reader))
            if reader == "any" and "joblib" in self.formats:
                # To a reader that is not joblib the raw arrays are operations. What it would import before it fails counts.
                self._leniently(opener)

    def _told(self, opener: Callable[[], Any], where: str, inspect: Callable[[Source], None]) -> None:
        with contextlib.closing(_Opened(opener())) as opened:
            source = Source(opened)
            try:
                inspect(source)
            except EOFError:
                self.problem(f"{_sentence(where)} is cut off")
            except Unfollowable as error:
                self.problem(f"{_sentence(where)} cannot be followed: {error}")

    def _pickles(self, source: Source, where: str, reader: Reader) -> None:
        if source.at_end():
            raise Unfollowable("it is empty")
        self._one(source, reader, 0)
        self.formats["pickle"] = None
        count = 1
        while not source.at_end():
            # Most readers stop at the first. What follows is followed too, since some do not.
            if count == 1:
                self.problem(f"{_sentence(where)} goes on behind the end of its pickle, at {source.position}")
            self._one(source, reader, 0)
            count += 1
            if count > self.limits.max_members:
                raise Unfollowable(f"it holds more than {self.limits.max_members} pickles")

    def _one(self, source: Source, reader: Reader, depth: int) -> None:
        if depth > self.limits.max_depth:
            raise Unfollowable(f"it is nested more than {self.limits.max_depth} levels deep")

        def nested() -> None:
            self._one(source, reader, depth + 1)

        machine = Machine(source, self.limits, self.found, self.problems, None if reader == "pickle" else nested)
        try:
            machine.run()
        finally:
            if machine.wrappers:
                self.formats["joblib"] = None

    def _leniently(self, opener: Callable[[], Any]) -> None:
        """Note what a plain unpickler would import until it fails, or ends; that it fails is no problem."""
        names: set[str] = set()
        with contextlib.closing(_Opened(opener())) as opened, contextlib.suppress(Unfollowable, EOFError):
            Machine(Source(opened), self.limits, names, [], None).run()
        # Random bytes may look like a name now and then; what is no text is none.
        self.found.update(name for name in names if name.isprintable())

    def _array(self, source: Source) -> None:
        """Inspect one of numpy's files: a header, then raw data, or a pickle where the elements are objects."""
        self.formats["npy"] = None
        source.skip(6)
        major = source.byte()
        source.skip(1)
        length = int.from_bytes(source.read(2 if major == 1 else 4), "little")
        if major not in (1, 2, 3) or length > _HEADER:
            raise Unfollowable("its header is not one that numpy writes")
        try:
            header = ast.literal_eval(source.read(length).decode("latin-1" if major < 3 else "utf-8").strip())
            description, shape = header["descr"], header["shape"]
            count = prod(int(n) for n in shape)
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
            raise Unfollowable("its header is not one that numpy writes") from error
        if _may_hold_objects(description):
            self._one(source, "pickle", 0)
            self.formats["pickle"] = None
        elif isinstance(description, str) and description[2:].isdigit():
            width = int(description[2:]) * (4 if description[1] == "U" else 1)
            if count < 0:
                raise Unfollowable("its shape is not one that numpy writes")
            source.skip(count * width)
        else:
            return  # records: what follows them is not looked for, as numpy does not either
        if not source.at_end():
            raise Unfollowable("it goes on behind its array")

    def _zip(self, opener: Callable[[], Any], where: str, depth: int) -> None:
        try:
            with contextlib.closing(_Opened(opener())) as opened, zipfile.ZipFile(_seekable(opened)) as archive:
                members = archive.infolist()
                if len(members) > self.limits.max_members:
                    raise Unfollowable(f"it has more than {self.limits.max_members} members")
                if not members:
                    raise Unfollowable("it is an archive without members")
                for member in members:
                    if not member.is_dir():
                        self._member(archive, member, where, depth)
        except (
            zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error, ValueError, MemoryError,
        ) as error:  # fmt: skip
            raise Unfollowable(f"it is an archive that cannot be read: {error}") from error

    def _member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str, depth: int) -> None:
        def opener() -> Any:
            return _Counted(archive.open(member), self.budget)

        name = f"{member.filename[:200]!r} in {where}"
        with contextlib.closing(opener()) as packed:
            start = packed.read(8)
        known = (
            member.filename.lower().endswith(_PICKLES)
            or (start[:1] == b"\x80" and start[1:2] <= b"\x05")
            or start.startswith((b"PK\x03\x04", b"\x93NUMPY"))
            or decoder_for(start) is not None
        )
        if known:
            try:
                self.stream(opener, name, "any", depth + 1)
            except Unfollowable as error:
                self.problem(f"{_sentence(name)} cannot be followed: {error}")
        elif start:
            # Raw data, or text, most likely; and a pickle of an old protocol looks like neither.
            self._leniently(opener)
        with contextlib.closing(opener()) as packed:  # the end of the member tells whether it is damaged
            while packed.read(1 << 16):
                pass


def _may_hold_objects(description: Any) -> bool:
    """Tell whether a dtype's description, as numpy's files have it, names objects."""
    if isinstance(description, str):
        return "O" in description or "object" in description.lower()
    if isinstance(description, (list, tuple)):
        return any(map(_may_hold_objects, description))
    return not isinstance(description, int)


def _sentence(where: str) -> str:
    return where[:1].upper() + where[1:]


class _Opened:
    """A stream that is closed when it is no longer needed, whether or not it can be."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.read = stream.read

    def close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


class _Chained(Unpacked):
    """The unpacked bytes of a stream that begins with what tells how it is packed."""

    def __init__(self, stream: Any, budget: Budget) -> None:
        self._under = stream
        start = stream.read(8)
        super().__init__(_Again(start, stream), decoder_for(start), budget)

    def close(self) -> None:
        _Opened(self._under).close()


class _Again:
    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = start
        self._rest = rest

    def read(self, count: int) -> bytes:
        data: bytes
        data, self._start = self._start, b""
        return data or self._rest.read(count)


class _Counted:
    def __init__(self, stream: Any, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, count: int) -> bytes:
        data: bytes = self._stream.read(count)
        self._budget.take(len(data))
        return data

    def close(self) -> None:
        self._stream.close()


def _seekable(opened: _Opened) -> Any:
    stream = opened._stream
    if hasattr(stream, "seek") and stream.seekable():
        return stream
    raise Unfollowable("it is an archive within something compressed")

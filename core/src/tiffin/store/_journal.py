"""The journal: what happened to a name in this store, a line of JSON for each, and the lock under which a name is changed.

A line is appended under the lock, after the change, and is not synced by itself. So a change may go without its line: its
maker is killed in between, the disk is full, the power fails, an older Tiffin makes it, or a hand. Each line holds the times
of the folders that changes touch; a writer who finds others, or a lock that a dead process has left, compares the store with
what the journal says, and notes what is different, marked as found.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tiffin.exceptions import StoreWarning
from tiffin.files import sync_file, unreadable
from tiffin.origin import signer
from tiffin.store import _records
from tiffin.store._aliases import Aliases
from tiffin.store._layout import Layout, step
from tiffin.store._staging import NAMES, Lock, is_aside
from tiffin.tags import is_part

ARRIVALS = ("saved", "imported", "pulled", "overwritten", "restored", "edited", "accepted")
"""What a line may say of a version that is there afterwards."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TAIL = 4096
"""Bytes at the end of a journal that are read first; most lines have some 250."""


class Notes:
    """What is to be noted of the changes to one name, made while its lock is held.

    Args:
        layout: the store.
        name: the name.
    """

    def __init__(self, layout: Layout, name: str) -> None:
        self._layout = layout
        self._name = name
        self._lines: list[dict[str, Any]] = []
        self._file = -1

    def add(self, what: str, **fields: Any) -> None:
        """Note that something was done just now.

        Args:
            what: one of ARRIVALS, "deleted", "alias", "trusted" or "untrusted".
            fields: `version`, and `record`, its record's mark, where that is known; `alias`, `before` and `after`; `how`,
                `fields`. What is `None` or empty is left out.
        """
        if what in ARRIVALS and "record" not in fields:
            fields["record"] = _mark(self._layout, self._name, fields["version"])
        told = {key: value for key, value in fields.items() if value}
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        self._lines.append({"time": now, "by": signer(), "what": what, **told})

    def compare(self, *, certainly: bool = False) -> None:
        """Note what was changed in the store without a note.

        Args:
            certainly: whether all is compared, even if nothing seems to have been touched.
        """
        last = None
        with contextlib.suppress(OSError):  # not there; or no file, which whoever appends is told
            self._file = _opened(self._layout.journal_of(self._name), os.O_RDWR | os.O_APPEND)
            last = _last(self._file)
        if certainly or last is None or last.get("seen") != _seen(self._layout, self._name):
            self._settle()

    def _settle(self) -> None:
        lines = list(read(self._layout, self._name))
        state = State()
        for line in lines:
            state.apply(line)
        there = _versions(self._layout, self._name)
        aliases = Aliases(self._layout).of_name(self._name)
        if not lines:
            if there or aliases:
                self.add("begun", versions=sorted(there), aliases=aliases)
            return
        for version in sorted(there - state.records.keys()):
            self.add("saved", version=version, found=True)
        for version in sorted(state.records.keys() - there):
            if not is_aside(self._layout, self._name, version):
                self.add("deleted", version=version, found=True)
        for version in sorted(there & state.records.keys()):
            known = state.records[version]
            if known and known != _mark(self._layout, self._name, version):
                self.add("edited", version=version, found=True)
        for alias in sorted(aliases.keys() | state.aliases.keys()):
            before, after = state.aliases.get(alias), aliases.get(alias)
            if before != after:
                self.add("alias", alias=alias, before=before, after=after, found=True)

    def append(self) -> None:
        """Write what was noted into the journal; a disk that has no room for it keeps nobody from anything."""
        if not self._lines:
            return
        self._lines[-1]["seen"] = _seen(self._layout, self._name)
        try:
            self._write("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines).encode())
        except OSError as error:
            if error.errno not in _FULL:
                what = f"What was done to '{self._name}' could not be noted: {error.strerror} ({error.filename})"
                warnings.warn(f"{what}. It is done; the next change notes it", StoreWarning, stacklevel=2)
        step("journal", "written")

    def _write(self, data: bytes) -> None:
        if self._file < 0:
            self._layout.make_folder(self._layout.journal)
            self._file = _opened(self._layout.journal_of(self._name), os.O_RDWR | os.O_APPEND | os.O_CREAT)
        size = os.fstat(self._file).st_size
        if not size:
            modes = self._layout.modes()
            modes.give(self._file, modes.grown)
        elif os.pread(self._file, 1, size - 1) != b"\n":
            data = b"\n" + data  # a line that was cut off stays alone
        if os.write(self._file, data) != len(data):
            os.ftruncate(self._file, size)

    def close(self) -> None:
        """Close the journal, if it is open."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class State:
    """What a name's journal says that there is: versions, with the digests of their records, and aliases."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.aliases: dict[str, str] = {}

    def apply(self, line: dict[str, Any]) -> None:
        """Go on by one line."""
        what, version = line.get("what"), line.get("version", "")
        if what == "begun":
            self.records = dict.fromkeys(line.get("versions", ()), "")
            self.aliases = dict(line.get("aliases", {}))
        elif what in ARRIVALS:
            self.records[version] = line.get("record", "")
        elif what == "deleted":
            self.records.pop(version, None)
        elif what == "alias" and line.get("after"):
            self.aliases[line["alias"]] = line["after"]
        elif what == "alias":
            self.aliases.pop(line.get("alias", ""), None)


@contextlib.contextmanager
def changing_name(layout: Layout, name: str, *, even_full: bool = False) -> Iterator[Notes]:
    """Hold, for the block, the right to change a name's versions and aliases. What is noted is written at its end.

    Args:
        layout: the store.
        name: the name.
        even_full: whether the block is run without the lock where the disk has no room for it.
    """
    lock = Lock(layout, NAMES + name)
    try:
        lock.acquire(wait=True)
    except OSError as error:
        if not even_full or error.errno not in _FULL:
            raise
    notes = Notes(layout, name)
    try:
        if lock.was_left:
            sync_file(layout.models)  # whoever was killed may have made the name's folder just then
        if lock.held:
            notes.compare(certainly=lock.was_left)
        step("journal", "compared")
        try:
            yield notes
        finally:
            notes.append()
    finally:
        notes.close()
        lock.release()


def settle(layout: Layout) -> None:
    """Note what processes that were killed have done to names, and remove the locks that they have left."""
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(os.listdir(layout.staging)):
            name = entry.removeprefix(NAMES).removesuffix(".lock")
            if entry.startswith(NAMES) and entry.endswith(".lock") and is_part(name):
                with changing_name(layout, name, even_full=True):
                    pass


def read(layout: Layout, name: str) -> Iterator[dict[str, Any]]:
    """Yield a name's lines, the oldest first; what is no line is passed over."""
    text = b""
    try:
        with open(_opened(layout.journal_of(name), os.O_RDONLY), "rb") as file:
            text = file.read()
    except PermissionError as error:
        raise unreadable(f"The journal of '{name}'", error, layout.journal_of(name)) from error
    except OSError:  # not there, or no file
        return
    lines = text.splitlines()
    found: list[Any] = []
    with contextlib.suppress(ValueError, RecursionError):  # all at once takes half the time, where all are lines
        found = json.loads(b"[" + b",".join(lines) + b"]")
    if len(found) != len(lines):
        found = [_parse(line) for line in lines]
    yield from (line for line in found if isinstance(line, dict))


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _last(descriptor: int) -> dict[str, Any] | None:
    """Return the last line of an open journal, `None` where there is none, or it was cut off."""
    size = os.fstat(descriptor).st_size
    length = min(size, _TAIL)
    while True:
        text = os.pread(descriptor, length, size - length)
        start = text.rstrip(b"\n").rfind(b"\n")
        if start >= 0 or length == size:
            return _parse(text[start + 1 :]) if text.endswith(b"\n") else None
        length = min(size, 8 * length)


def _opened(path: str, flags: int) -> int:
    """Open a journal; what somebody has put in its place is neither followed nor waited for."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a file", path)
    return descriptor


def _seen(layout: Layout, name: str) -> list[int | None]:
    """Return by what is known that nobody else has changed a name: when its folders were touched last."""
    return [_mtime(f"{layout.models}/{name}"), _mtime(f"{layout.aliases}/{name}")]


def _mtime(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None


def _versions(layout: Layout, name: str) -> set[str]:
    with contextlib.suppress(OSError):
        folder = f"{layout.models}/{name}"
        return {
            version
            for version in os.listdir(folder)
            if is_part(version) and os.path.exists(layout.record(name, version))
        }
    return set()


def _mark(layout: Layout, name: str, version: str) -> str:
    """Return by what a record is known to be the one that was noted."""
    text = _records.text_of(layout.record(name, version))
    return "" if text is None else _records.mark_of(text)

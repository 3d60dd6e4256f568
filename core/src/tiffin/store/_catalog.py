"""The catalog: a cache of the records in SQLite, so that lists need not read thousands of files.

Nothing depends on it: it is made again from the records when it is missing, damaged or of another version, and a change
that cannot be written to it (locked, full disk, read-only) is left out. It is trusted by name folder: while the folder's
mtime is the recorded one, the folder's versions are the recorded ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import weakref
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tiffin.home import cache_home
from tiffin.model import Row, Stamp
from tiffin.store._layout import Layout

VERSION = 2
"""The version of the tables; a catalog of another version is made again."""

_UNSURE = -1
_PASSING = ("locked", "busy", "full", "disk I/O", "interrupted", "closed")
"""Words in errors that say nothing about the file: another process uses it, or the disk is full."""
_TABLES = """
CREATE TABLE names (name TEXT PRIMARY KEY, mtime INTEGER) WITHOUT ROWID;
CREATE TABLE versions (
    name TEXT, version TEXT, created INTEGER, since INTEGER, framework TEXT, size INTEGER, labels TEXT, edited INTEGER,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE TABLE records (
    name TEXT, version TEXT, mtime INTEGER, size INTEGER, inode INTEGER, record TEXT, crc INTEGER,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;
"""
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "afs"}
)


class Entry(NamedTuple):
    """One version as the catalog holds it: the row, the record's stamp, the record as JSON."""

    row: Row
    stamp: Stamp
    record: str


class Catalog:
    """The catalog of one store. One connection serves all threads of a process, in turn; it is opened when needed."""

    def __init__(self, layout: Layout, *, in_memory: bool = False) -> None:
        self._layout = layout
        self._in_memory = in_memory
        self._local = threading.local()
        self._held: _Held | None = None
        self._path: str | None = None

    @property
    def failed(self) -> bool:
        """Whether this thread could not read or write something; set it to false before what it shall tell about."""
        return getattr(self._local, "failed", False)

    @failed.setter
    def failed(self, value: bool) -> None:
        self._local.failed = value

    @property
    def worth_another_try(self) -> bool:
        """Whether what failed last may work now, in a new file."""
        return getattr(self._local, "changed", False)

    # -- reading -------------------------------------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        """Return name → mtime of its folder when it was read."""
        return dict(self._read("SELECT name, mtime FROM names"))

    def rows(self, name: str | None = None) -> list[tuple[str, str, int, int, str, int, str, int]]:
        """Return the rows of one name or all, by name, newest first."""
        if name is None:
            return self._read("SELECT * FROM versions ORDER BY name, since DESC, version DESC")
        return self._read("SELECT * FROM versions WHERE name = ? ORDER BY since DESC, version DESC", name)

    def mtime(self, name: str) -> int | None:
        """Return the mtime of the name's folder when it was read, `None` where it was not."""
        found = self._read("SELECT mtime FROM names WHERE name = ?", name)
        return found[0][0] if found else None

    def newest(self, name: str) -> str | None:
        """Return the newest version of a name."""
        found = self._read(
            "SELECT version FROM versions WHERE name = ? ORDER BY since DESC, version DESC LIMIT 1", name
        )
        return found[0][0] if found else None

    def versions(self, name: str) -> set[str]:
        """Return the versions of a name."""
        return {version for (version,) in self._read("SELECT version FROM versions WHERE name = ?", name)}

    def stamps(self, name: str) -> dict[str, Stamp]:
        """Return version → stamp for one name."""
        found = self._read("SELECT version, mtime, size, inode FROM records WHERE name = ?", name)
        return {version: Stamp(*stamp) for version, *stamp in found}

    def record(self, name: str, version: str, stamp: Stamp) -> str | None:
        """Return the record as JSON if the one on disk still has this stamp."""
        found = self._read(
            "SELECT mtime, size, inode, record, crc FROM records WHERE name = ? AND version = ?", name, version
        )
        if not found or found[0][:3] != stamp:
            return None
        record: str = found[0][3]
        # SQLite notices damage of its structure only; a model must not be loaded by a record with a flipped bit.
        return record if isinstance(record, str) and _crc(record) == found[0][4] else None

    def holders(self, content_digest: str) -> list[tuple[str, str]]:
        """Return name and version of each version that is held and has a content. Reads all records."""
        found = self._read("SELECT name, version FROM records WHERE instr(record, ?)", content_digest)
        return sorted((name, version) for name, version in found)

    def entry(self, name: str, version: str) -> tuple[tuple[object, ...] | None, Stamp | None, str | None]:
        """Return row, stamp and record of one version as they are noted, for a check."""
        rows = self._read("SELECT * FROM versions WHERE name = ? AND version = ?", name, version)
        stamp = self.stamps(name).get(version)
        return rows[0] if rows else None, stamp, self.record(name, version, stamp) if stamp is not None else None

    def mend(self, entry: Entry) -> bool:
        """Compare what is held of a version with what its record says, and put it right; returns whether it was damaged.

        It may well be of before a change by hand.
        """
        row, stamp, record = self.entry(entry.row.name, entry.row.version)
        if row == entry.row and stamp == entry.stamp and record == entry.record:
            return False
        self.put([entry])
        return row is not None and stamp == entry.stamp

    def is_sound(self) -> bool:
        """Tell whether SQLite finds its file in order; one that is not is removed, and made again when it is needed."""
        self._local.damaged = False
        found = self._read("PRAGMA integrity_check")
        if found and found != [("ok",)]:
            self.delete()
            return False
        return not self._local.damaged

    def _read(self, query: str, *arguments: object) -> list[Any]:  # rows of any columns
        with _guard:
            try:
                return self._connection().execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                self._give_up(error)
                return []

    # -- writing -------------------------------------------------------------------------------------------------------

    def put(self, entries: Iterable[Entry]) -> None:
        """Note versions that were just written; their names are read again by the next list."""
        entries = list(entries)
        names = {entry.row.name for entry in entries}

        def change(connection: sqlite3.Connection) -> None:
            _insert(connection, entries)
            # Somebody may have noted something newer than this already: then the next list finds that on the disk.
            connection.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", [(name, _UNSURE) for name in names])

        self._write(change)

    def replace(self, name: str, mtime_ns: int | None, keep: set[str], entries: list[Entry]) -> None:
        """Note all versions of a name.

        Args:
            name: the name.
            mtime_ns: its folder's mtime before it was read; `None` where the next list shall read it again.
            keep: versions whose entry is right as it is.
            entries: all others.
        """

        def change(connection: sqlite3.Connection) -> None:
            old = {version for (version,) in connection.execute("SELECT version FROM versions WHERE name = ?", (name,))}
            gone = [(name, version) for version in old - keep - {entry.row.version for entry in entries}]
            for table in ("versions", "records"):
                connection.executemany(f"DELETE FROM {table} WHERE name = ? AND version = ?", gone)
            _insert(connection, entries)
            connection.execute(
                "INSERT OR REPLACE INTO names VALUES (?, ?)", (name, _UNSURE if mtime_ns is None else mtime_ns)
            )

        self._write(change)

    def forget(self, names: Iterable[str]) -> None:
        """Remove names that are no longer in the store."""
        gone = [(name,) for name in names]

        def change(connection: sqlite3.Connection) -> None:
            for table in ("names", "versions", "records"):
                connection.executemany(f"DELETE FROM {table} WHERE name = ?", gone)

        if gone:
            self._write(change)

    def _write(self, change: Callable[[sqlite3.Connection], None]) -> None:
        self.atomically(lambda: change(self._connection()))

    def atomically(self, change: Callable[[], None]) -> None:
        """Call `change` and write all that it notes as one change; where that cannot be, `failed` is set.

        `change` is not called where the catalog cannot be written to.
        """
        with _guard:
            if self._in_transaction():
                change()
                return
            try:
                connection = self._connection()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    change()
                    connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):  # SQLite itself may have rolled it back
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        # The catalog is a cache: what it cannot tell or hold is read from the records.
        self.failed = True
        self._local.changed = True
        text = str(error)
        if any(word in text for word in ("readonly", "unable to open")):
            self._path = None  # the disk may be read-only now: find another place
        elif not any(word in text for word in _PASSING):
            self._local.damaged = True
            self.delete()
        else:
            self._local.changed = False

    # -- the file ------------------------------------------------------------------------------------------------------

    def _in_transaction(self) -> bool:
        held = self._held
        return held is not None and held.close.alive and held.connection.in_transaction

    def _connection(self) -> sqlite3.Connection:
        held, path = self._held, self._file()
        if held is not None and held.serves(path):
            return held.connection
        self.close()
        held = self._held = _Held(path)
        if path == self._layout.catalog:
            modes = self._layout.modes()
            for suffix in ("", "-wal", "-shm"):
                # By the path: to open and close a file gives up the locks that SQLite has on it in this process.
                with contextlib.suppress(OSError):
                    modes.give(path + suffix, modes.grown)
        return held.connection

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with _guard:
            if self._held is not None:
                self._held.close()
            self._held = None

    def delete(self) -> None:
        """Remove the file, if it is still the one that was used; it is made again when it is needed."""
        with _guard:
            held = self._held
            self.close()
            path = self._file()
            # Another process may have made a new one already, which is good.
            if path is not None and (held is None or held.file == _identity(path)):
                _remove(path)

    def _file(self) -> str | None:
        """Return the catalog's path: in the store if that is local and writable, else in the user's cache; or `None`."""
        if self._path is None and not self._in_memory:
            layout = self._layout
            if (
                os.path.isdir(layout.staging)
                and os.access(layout.root, os.W_OK)
                and (os.access(layout.catalog, os.R_OK | os.W_OK) or not os.path.lexists(layout.catalog))
                and not os.path.isdir(layout.catalog)
                and _is_local(layout.root)
            ):
                self._path = layout.catalog
            elif os.path.isdir(layout.models):
                name = hashlib.sha256(os.path.realpath(layout.root).encode()).hexdigest()[:16]
                folder = cache_home() / "catalogs"
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except OSError:
                    return None
                if not os.access(folder, os.W_OK):
                    return None
                self._path = str(folder / f"{name}.sqlite")
        return self._path


class _Held:
    """An open connection, closed with this object, before a fork, and at exit."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        while True:
            before = _identity(path)
            self.connection = _connect(path or ":memory:")
            self.file = _identity(path)
            if before is None or before == self.file:
                break
            self.connection.close()
        # Holds on to the connection, so that the collector never finds it open, in whatever circle this object stands.
        self.close = weakref.finalize(self, _close, self.connection)
        if path is not None:
            _opened.add(self)

    def serves(self, path: str | None) -> bool:
        """Tell whether it is open, and its file the one of this path; in a transaction nobody looks for that."""
        if not self.close.alive:
            return False
        return self.connection.in_transaction or (self.path == path and self.file == _identity(path))


def _close(connection: sqlite3.Connection) -> None:
    """Close a connection; what is not written yet is lost."""
    with _guard, contextlib.suppress(sqlite3.Error):
        connection.close()


# SQLite must not be carried across a fork: the child would believe in file locks that only the parent has, and could wait
# for ever for a mutex that another thread held. So no thread uses SQLite, and no file is open, at the moment of a fork.
_guard = threading.RLock()
_opened: weakref.WeakSet[_Held] = weakref.WeakSet()


def _before_fork() -> None:
    _guard.acquire()
    for held in list(_opened):
        held.close()


os.register_at_fork(before=_before_fork, after_in_parent=_guard.release, after_in_child=_guard.release)


def _connect(path: str) -> sqlite3.Connection:
    # Not bound to one thread: whoever holds the guard uses it.
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            try:
                _make_tables(connection)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                # To make it takes no time: who holds it still has open what it was before it lost its content.
                raise sqlite3.DatabaseError("the catalog is empty, and in use") from error
        # With a write-ahead log this risks no damage, only that the last changes are read again after a power failure.
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _insert(connection: sqlite3.Connection, entries: list[Entry]) -> None:
    connection.executemany("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [e.row for e in entries])
    connection.executemany(
        "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(e.row.name, e.row.version, *e.stamp, e.record, _crc(e.record)) for e in entries],
    )


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        for table in ("names", "versions", "records"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def _crc(record: str) -> int:
    return zlib.crc32(record.encode())


def _identity(path: str | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _remove(path: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.unlink(path + suffix)


def _is_local(path: str) -> bool:
    """Tell whether a folder is on a disk of this machine, where SQLite's locks and shared memory work."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ", 3)[1:3] for line in file]
    except OSError:
        return True
    real = os.path.realpath(path)
    best, kind = "", ""
    for mount, candidate in mounts:
        point = mount.replace("\\040", " ").rstrip("/")
        if len(point) >= len(best) and (real == point or real.startswith(point + "/")):
            best, kind = point, candidate
    return kind not in _REMOTE and not kind.startswith("fuse.ssh")

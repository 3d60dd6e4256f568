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
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tiffin._home import cache_home
from tiffin._model import Row, Stamp
from tiffin.store._layout import Layout

VERSION = 1
"""The version of the tables; a catalog of another version is made again."""

_UNSURE = -1
_TABLES = """
CREATE TABLE names (name TEXT PRIMARY KEY, mtime INTEGER) WITHOUT ROWID;
CREATE TABLE versions (
    name TEXT, version TEXT, created INTEGER, framework TEXT, size INTEGER, labels TEXT, edited INTEGER,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE TABLE records (
    name TEXT, version TEXT, mtime INTEGER, size INTEGER, inode INTEGER, record TEXT, PRIMARY KEY (name, version)
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
    """The catalog of one store. Connections are one per thread and process, opened when needed."""

    def __init__(self, layout: Layout, *, in_memory: bool = False) -> None:
        self._layout = layout
        self._in_memory = in_memory
        self._local = threading.local()
        self._path: str | None = None

    @property
    def failed(self) -> bool:
        """Whether this thread's last change could not be written; set it to false before what it shall tell about."""
        return getattr(self._local, "failed", False)

    @failed.setter
    def failed(self, value: bool) -> None:
        self._local.failed = value

    # -- reading -------------------------------------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        """Return name → mtime of its folder when it was read."""
        return dict(self._read("SELECT name, mtime FROM names"))

    def rows(self, name: str | None = None) -> list[tuple[str, str, int, str, int, str, int]]:
        """Return the rows of one name or all, by name, newest first."""
        if name is None:
            return self._read("SELECT * FROM versions ORDER BY name, created DESC, version DESC")
        return self._read("SELECT * FROM versions WHERE name = ? ORDER BY created DESC, version DESC", name)

    def mtime(self, name: str) -> int | None:
        """Return the mtime of the name's folder when it was read, `None` where it was not."""
        found = self._read("SELECT mtime FROM names WHERE name = ?", name)
        return found[0][0] if found else None

    def newest(self, name: str) -> str | None:
        """Return the newest version of a name."""
        found = self._read(
            "SELECT version FROM versions WHERE name = ? ORDER BY created DESC, version DESC LIMIT 1", name
        )
        return found[0][0] if found else None

    def stamps(self, name: str) -> dict[str, Stamp]:
        """Return version → stamp for one name."""
        found = self._read("SELECT version, mtime, size, inode FROM records WHERE name = ?", name)
        return {version: Stamp(*stamp) for version, *stamp in found}

    def record(self, name: str, version: str, stamp: Stamp) -> str | None:
        """Return the record as JSON if the one on disk still has this stamp."""
        found = self._read(
            "SELECT mtime, size, inode, record FROM records WHERE name = ? AND version = ?", name, version
        )
        return found[0][3] if found and found[0][:3] == stamp else None

    def _read(self, query: str, *arguments: object) -> list:  # type: ignore[type-arg]  # rows of any columns
        for _ in range(2):
            try:
                return self._connection().execute(query, arguments).fetchall()
            except sqlite3.DatabaseError as error:
                if _is_busy(error):
                    break
                self.delete()
        with contextlib.closing(_connect(":memory:")) as empty:
            return empty.execute(query, arguments).fetchall()

    # -- writing -------------------------------------------------------------------------------------------------------

    def put(self, entries: Iterable[Entry]) -> None:
        """Note versions that were just written; their names are read again by the next list."""
        self._write(lambda connection: _insert(connection, entries))

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
        with self.together():
            change(self._connection())

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is noted within the block as one change; `failed` tells afterwards whether it could be."""
        connection = self._connection()
        if connection.in_transaction:
            yield
            return
        self.failed = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.DatabaseError:
            # The catalog is a cache: whatever is not noted now is read from the records later.
            self.failed = True
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.DatabaseError):
                    connection.execute("ROLLBACK")

    # -- the file ------------------------------------------------------------------------------------------------------

    def _connection(self) -> sqlite3.Connection:
        path = self._file()
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or held.owner != os.getpid() or held.file != _identity(path):
            held = self._local.held = _open(path)
        return held.connection

    def delete(self) -> None:
        """Remove the file; it is made again when it is needed."""
        self._local.held = None
        path = self._file()
        if path is not None:
            _remove(path)

    def _file(self) -> str | None:
        """Return the catalog's path: in the store if that is local and writable, else in the user's cache; or `None`."""
        if self._path is None and not self._in_memory:
            layout = self._layout
            if os.path.isdir(layout.staging) and os.access(layout.root, os.W_OK) and _is_local(layout.root):
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
    """An open connection, closed with this object: when its thread ends, or when the file was replaced."""

    def __init__(self, connection: sqlite3.Connection, path: str | None) -> None:
        self.connection = connection
        self.owner = os.getpid()
        self.file = _identity(path)

    def __del__(self) -> None:
        if self.owner == os.getpid():
            self.connection.close()
        else:
            # One of before a fork must not be closed in the child: that could end the parent's log under it.
            _abandoned.append(self.connection)


_abandoned: list[sqlite3.Connection] = []


def _open(path: str | None) -> _Held:
    for _ in range(2 if path is not None else 0):
        assert path is not None
        try:
            return _Held(_connect(path), path)
        except sqlite3.DatabaseError as error:
            if _is_busy(error):
                break  # somebody makes it right now
            _remove(path)
    return _Held(_connect(":memory:"), None)


def _is_busy(error: sqlite3.DatabaseError) -> bool:
    return isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error))


def _connect(path: str) -> sqlite3.Connection:
    # Not bound to its thread only so that it can be closed from another one, at the end.
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                for table in ("names", "versions", "records"):
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={VERSION}")
            connection.execute("COMMIT")
        # With a write-ahead log this risks no damage, only that the last changes are read again after a power failure.
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _insert(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    entries = list(entries)
    connection.executemany("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)", [e.row for e in entries])
    connection.executemany(
        "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)",
        [(e.row.name, e.row.version, *e.stamp, e.record) for e in entries],
    )


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

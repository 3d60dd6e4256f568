"""Where a runner's socket may lie, and who is on its other end.

Whoever can connect can have the model compute and read its answers, so the socket lies in a folder that only its owner
enters, is itself the owner's alone, and each side asks the system which user the other side runs as.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
import sys
from pathlib import Path

from tiffin.exceptions import SocketPathError

_LONGEST = 103 if sys.platform == "darwin" else 107
"""Bytes of a path that the system's socket addresses have room for."""
SCHEME = "unix:"


def socket_path(address: str | os.PathLike[str]) -> Path:
    """Return the path in an address, `unix:/path` or a path alone.

    Raises:
        SocketPathError: it is longer than a socket's path may be, or empty.
    """
    text = os.fspath(address)
    path = Path(text.removeprefix(SCHEME)).expanduser().absolute()
    length = len(os.fsencode(path))
    if text.removeprefix(SCHEME) == "" or length > _LONGEST:
        raise SocketPathError(
            f"The socket path {str(path)!r} has {length} bytes",
            why=f"The system allows 1 to {_LONGEST}",
            fix="Choose a shorter one, for example below /tmp or $XDG_RUNTIME_DIR",
            path=str(path),
        )
    return path


def bind(path: Path) -> socket.socket:
    """Return a listening socket at `path`, usable by this process's user alone.

    Makes the folder (mode 0700) if there is none. A socket that nobody listens on any more is replaced.

    Raises:
        SocketPathError: the folder is open to others, or something else is at the path, or another process listens
            there.
    """
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    _check_folder(path.parent)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Two that start at once: without the lock both could find the old socket dead, and the second would remove the
        # first one's new socket.
        fcntl.flock(folder, fcntl.LOCK_EX)
        _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(os.fspath(path))
            path.chmod(0o600)
            sock.listen(128)
        except BaseException:
            sock.close()
            raise
        return sock
    finally:
        os.close(folder)


def unlink_own(path: Path, identity: tuple[int, int]) -> None:
    """Remove the socket at `path` if it is still the one with this (device, inode)."""
    with contextlib.suppress(FileNotFoundError):
        if file_identity(path) == identity:
            path.unlink()


def file_identity(path: Path) -> tuple[int, int]:
    """Return device and inode of what is at `path`."""
    status = path.lstat()
    return status.st_dev, status.st_ino


def peer_user(sock: socket.socket) -> int:
    """Return the user id that the process on the other end of an AF_UNIX socket had when it connected or listened."""
    if hasattr(socket, "SO_PEERCRED"):
        _, user, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return int(user)
    # The BSDs and macOS: struct xucred, version and user first.
    _, user = struct.unpack_from("II", sock.getsockopt(0, getattr(socket, "LOCAL_PEERCRED", 1), 76))
    return int(user)


def _check_folder(folder: Path) -> None:
    status = folder.lstat()
    problem = ""
    if not stat.S_ISDIR(status.st_mode):
        problem = "is not a folder" if not stat.S_ISLNK(status.st_mode) else "is a symbolic link"
    elif status.st_uid != os.geteuid():
        problem = f"belongs to user {status.st_uid}, not to {os.geteuid()}"
    elif stat.S_IMODE(status.st_mode) & 0o077:
        problem = f"has mode {stat.S_IMODE(status.st_mode):04o}, so that others can enter it"
    if not problem:
        for parent in folder.resolve().parents:
            status = parent.stat()
            # In a folder that all may write to, others could put a folder of theirs in this one's place.
            if status.st_mode & 0o002 and not status.st_mode & stat.S_ISVTX:
                problem = f"lies below {parent}, where everybody may replace it"
    if problem:
        raise SocketPathError(
            f"The folder {str(folder)!r} {problem}",
            why="Whoever reaches the socket can use the model",
            fix="Give the socket a folder of its own with mode 0700; one that does not exist is made so",
            path=str(folder),
        )


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise SocketPathError(
            f"There is something at {str(path)!r} already, and it is not a socket",
            fix="Remove it, or choose another path",
            path=str(path),
        )
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(os.fspath(path))
    except OSError as error:
        if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
            raise
        # Left behind by a process that was killed.
        path.unlink(missing_ok=True)
        return
    finally:
        probe.close()
    raise SocketPathError(
        f"Another process listens at {str(path)!r}", fix="Stop that one, or choose another path", path=str(path)
    )

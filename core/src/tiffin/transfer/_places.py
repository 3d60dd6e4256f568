"""Places: local paths and the URLs that fsspec opens, read and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tiffin.exceptions import ArchiveError, StorageFullError, TiffinError
from tiffin.pickling._writeback import start_writeback

EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
    "sftp": "sftp",
    "ssh": "sftp",
    "webdav": "webdav",
    "webdavs": "webdav",
    "dav": "webdav",
    "davs": "webdav",
    "http": "http",
    "https": "http",
}
"""URL scheme → the extra of tiffin that brings its driver."""

_KEYS = {
    "s3": ("key", "secret"),
    "s3a": ("key", "secret"),
    "az": ("account_name", "account_key"),
    "abfs": ("account_name", "account_key"),
}
"""URL scheme → what its driver calls user and password, where it does not take them from the URL."""
_WEBDAV = {"webdav": "http", "dav": "http", "webdavs": "https", "davs": "https"}

_PART = 8 << 20
"""Bytes that go to or come from an object store in one request, and so are held in memory."""
_MAX_PARTS = 9000
"""Parts of one upload; S3 allows 10,000."""
_WRITEBACK = 8 << 20


def compose(
    path: str | os.PathLike[str],
    *,
    protocol: str | None = None,
    user: str | None = None,
    passwd: str | None = None,
    subpath: str | None = None,
) -> str:
    """Return one path or URL from its parts, as BentoML's functions take them."""
    text = os.fspath(path)
    if protocol is not None:
        login = ""
        if user is not None:
            login = quote(user, safe="") + (":" + quote(passwd, safe="") if passwd is not None else "") + "@"
        text = f"{protocol.removesuffix('://')}://{login}{text.lstrip('/') if login else text}"
    return f"{text.rstrip('/')}/{subpath.lstrip('/')}" if subpath else text


def is_url(path: str) -> bool:
    """Tell whether `path` is a URL, or a chain of them, and not a local path."""
    return "://" in path or "::" in path


@contextlib.contextmanager
def open_source(path: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """Open a path or URL for reading, from front to back.

    Args:
        path: the path or URL.
        params: options of the fsspec file system.

    Raises:
        ArchiveError: it is not there, may not be read, or its driver is missing; also raised by `read`.
    """
    with contextlib.ExitStack() as stack:
        if is_url(path):
            system, name = stack.enter_context(_system(path, params, "read"))
            with told(path, "read"):
                file = system.open(name, "rb", **_parts(system, 0))
            stack.callback(_quietly, file.close)
        else:
            with told(path, "read"):
                file = stack.enter_context(Path(path).expanduser().open("rb"))
        yield _Told(file, path, "read")


@contextlib.contextmanager
def open_target(
    path: str, params: Mapping[str, Any] | None = None, *, size: int = 0, replace: bool = True
) -> Iterator[Any]:
    """Open a path or URL for writing; it appears when the block ends well, and an exception leaves nothing.

    Remotes without uploads that appear at their end (FTP, SFTP, WebDAV) get the file under another name first.

    Args:
        path: the path or URL.
        params: options of the fsspec file system.
        size: about how many bytes will be written.
        replace: whether what is there is replaced.

    Raises:
        ArchiveError: it exists and `replace` is false, it may not be written, or its driver is missing; also raised by
            `write`.
        StorageFullError: no space is left there.
    """
    if is_url(path):
        with _system(path, params, "write") as (system, name), _open_remote(system, name, path, size, replace) as file:
            yield _Told(file, path, "write")
        return
    with contextlib.ExitStack() as stack:
        with told(path, "write"):
            # A link is followed, as other programs do; only what it leads to is replaced.
            target = Path(os.path.realpath(os.path.expanduser(path)))
            _check_free(target, path, replace=replace)
            stack.enter_context(parents(target))
            file = stack.enter_context(_Unnamed(target, path, replace=replace))
        yield _Told(file, path, "write")
        with told(path, "write"):
            file.publish()


class _Told:
    """A file whose errors, which are those of any driver, become errors of Tiffin."""

    def __init__(self, file: Any, path: str, doing: str) -> None:
        self._file = file
        self._path = path
        self._doing = doing

    def read(self, size: int = -1) -> bytes:
        with told(self._path, self._doing):
            data: bytes = self._file.read(size)
        return data

    def write(self, data: Any) -> int:
        with told(self._path, self._doing):
            self._file.write(data)
        return len(data)

    def flush(self) -> None:
        pass


def exists_error(path: str) -> ArchiveError:
    """Return the error for a target that is there already."""
    return ArchiveError(
        f"{redact(path)} exists already",
        fix="Choose another path, or pass force=True (--force)",
        path=redact(path),
        member="",
    )


def _check_free(target: Path, path: str, *, replace: bool) -> None:
    try:
        kind = target.lstat().st_mode
    except FileNotFoundError:
        return
    if not replace:
        raise exists_error(path)
    if not stat.S_ISREG(kind):
        # Renaming over a device would remove the device.
        raise ArchiveError(f"{path} is not a regular file", fix="Choose another path", path=path, member="")


@contextlib.contextmanager
def parents(target: Path) -> Iterator[None]:
    """Make the folders above `target`, and remove those that were made if the block fails."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # another program may use them by now
            for folder in missing:
                folder.rmdir()
        raise


class _Unnamed:
    """A new file that has no name until it is published, so that nothing is left even if the program is killed."""

    def __init__(self, target: Path, path: str, *, replace: bool) -> None:
        self._target = target
        self._path = path
        self._replace = replace
        self._temporary = target.with_name(f".{target.name[:200]}.{uuid.uuid4().hex[:8]}.part")
        self._named = False
        self._size = self._written_back = 0

    def __enter__(self) -> _Unnamed:
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            # Not every system or file system has it, and each says so in its own way.
            self._descriptor = os.open(self._target.parent, flags | os.O_TMPFILE, 0o666)
        except (AttributeError, OSError):
            self._descriptor = os.open(self._temporary, flags | os.O_CREAT | os.O_EXCL, 0o666)
            self._named = True
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        if self._named:
            self._temporary.unlink(missing_ok=True)

    def write(self, data: Any) -> None:
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += os.write(self._descriptor, view[done:])
        self._size += done
        if self._size - self._written_back >= _WRITEBACK:
            start_writeback(self._descriptor, self._written_back, self._size - self._written_back)
            self._written_back = self._size

    def publish(self) -> None:
        os.fsync(self._descriptor)
        if not self._named and not self._replace:
            self._link(self._target)
            return
        if not self._named:
            self._link(self._temporary)
            self._named = True
        if self._replace:
            self._temporary.replace(self._target)
        else:
            try:
                os.link(self._temporary, self._target)
            except FileExistsError:
                raise exists_error(self._path) from None
            except OSError:  # no hard links there, as on FAT: another program may be a moment faster
                self._temporary.rename(self._target)

    def _link(self, name: Path) -> None:
        try:
            # With a folder's descriptor Python calls linkat, which alone follows /proc's link to the file.
            folder = os.open(name.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.link(f"/proc/self/fd/{self._descriptor}", name, src_dir_fd=folder, follow_symlinks=True)
            finally:
                os.close(folder)
        except FileExistsError:
            raise exists_error(self._path) from None


@contextlib.contextmanager
def _system(path: str, params: Mapping[str, Any] | None, doing: str) -> Iterator[tuple[Any, str]]:
    """Give the fsspec file system of a URL, and the name in it."""
    with told(path, doing):
        import fsspec

        scheme, _, rest = path.partition("://")
        options = dict(params or {})
        netloc, slash, below = rest.partition("/")
        login, at, host = netloc.rpartition("@")
        user, colon, password = login.partition(":")
        if scheme in _WEBDAV and "base_url" not in options:
            options["base_url"] = f"{_WEBDAV[scheme]}://{host}"
            if at:
                options.setdefault("auth", (unquote(user), unquote(password)))
            system, name = fsspec.filesystem("webdav", **options), below
        else:
            if scheme in _KEYS and colon:
                key, secret = _KEYS[scheme]
                options = {key: unquote(user), secret: unquote(password), **options}
                path = f"{scheme}://{host}{slash}{below}"
            # A connection that is kept may have been closed by the other side.
            connects = scheme in ("sftp", "ssh")
            if connects:
                options["skip_instance_cache"] = True
            system, name = fsspec.core.url_to_fs(path, **options)
    try:
        yield system, name
    finally:
        if scheme in ("sftp", "ssh"):
            _quietly(system.client.close)


def _parts(system: Any, size: int) -> dict[str, int]:
    # The drivers of object stores would hold parts of 50 MiB, several of them.
    if not _uploads(system):
        return {}
    mib = 1 << 20
    return {"block_size": max(_PART, -(-size // _MAX_PARTS // mib) * mib)}


def _uploads(system: Any) -> bool:
    """Tell whether what is written shows only when it is complete, as in object stores."""
    return bool(getattr(system, "async_impl", False))


@contextlib.contextmanager
def _open_remote(system: Any, name: str, path: str, size: int, replace: bool) -> Iterator[Any]:
    grows = not _uploads(system)
    temporary = f"{name}.{uuid.uuid4().hex[:8]}.part" if grows else name
    with told(path, "write"):
        with contextlib.suppress(PermissionError):  # who may write may not always look
            system.invalidate_cache()
            if not replace and system.exists(name):
                raise exists_error(path)
        if grows:
            with contextlib.suppress(FileExistsError, NotImplementedError):
                system.makedirs(system._parent(name), exist_ok=True)
        file = system.open(temporary, "wb", **_parts(system, size))
        if hasattr(file, "set_pipelined"):
            file.set_pipelined(True)  # SFTP: no wait for the answer to each piece
    try:
        yield file
        with told(path, "write"):
            file.close()
            if grows:
                _rename(system, temporary, name)
    except BaseException:
        _abandon(file)
        if grows:
            _quietly(system.rm_file, temporary)
        raise


def _rename(system: Any, temporary: str, name: str) -> None:
    try:
        system.mv(temporary, name)
    except Exception:
        if not system.exists(name):
            raise
        # Some servers do not rename over a file that is there.
        system.rm_file(name)
        system.mv(temporary, name)


def _abandon(file: Any) -> None:
    if hasattr(file, "discard") and not file.closed:
        _quietly(file.discard)
        # Else the file would be completed with what it got so far, here or when it is collected.
        _quietly(setattr, file, "closed", True)
    _quietly(file.close)


def _quietly(action: Any, *args: Any) -> None:
    # Tidying up after an error: the first error is the one to tell, and drivers raise what they like.
    with contextlib.suppress(Exception):
        action(*args)


@contextlib.contextmanager
def told(path: str, doing: str) -> Iterator[None]:
    """Turn what goes wrong in the block with `path`, which only opens, reads or writes it, into errors of Tiffin."""
    shown = redact(path)
    scheme = path.split("://", 1)[0].rsplit("::", 1)[-1]
    try:
        yield
    except TiffinError:
        raise
    except ImportError as error:
        why = f"the driver for {scheme}:// is not installed ({error})"
        fix = f"Try: pip install 'tiffin[{EXTRAS[scheme]}]'" if scheme in EXTRAS else "Install what it names"
        raise _error(shown, doing, why, fix) from error
    except FileNotFoundError as error:
        raise _error(shown, doing, "it is not there") from error
    except PermissionError as error:
        raise _error(shown, doing, "permission was denied") from error
    except IsADirectoryError as error:
        raise _error(shown, doing, "it is a folder") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and doing == "write":
            raise StorageFullError(
                f"No space is left to write {shown}",
                why="Nothing half-written remains",
                fix="Free space, or choose another place",
                path=shown,
            ) from error
        raise _error(shown, doing, error.strerror or str(error) or type(error).__name__) from error
    except Exception as error:
        fix = "Look at the part before ://" if "Protocol not known" in str(error) else ""
        raise _error(shown, doing, f"{type(error).__name__}: {error}", fix) from error


def _error(shown: str, doing: str, why: str, fix: str = "") -> ArchiveError:
    return ArchiveError(f"Could not {doing} {shown}: {why}", fix=fix, path=shown, member="")


def redact(path: str) -> str:
    """Return a URL without its password and its query, which may hold a key; for messages and records."""
    head, found, rest = path.partition("://")
    if not found:
        return path
    rest, query, _ = rest.partition("?")
    netloc, slash, below = rest.partition("/")
    login, at, host = netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{head}://{user}{':***' if colon else ''}{at}{host}{slash}{below}{'?…' if query else ''}"

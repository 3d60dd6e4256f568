"""Places: local paths and the URLs that fsspec opens, read and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from tiffin.exceptions import ArchiveError

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
    "http": "http",
    "https": "http",
}
"""URL scheme → the extra of tiffin that brings its driver."""


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
        text = f"{protocol}://{login}{text.lstrip('/') if login else text}"
    return f"{text.rstrip('/')}/{subpath.lstrip('/')}" if subpath else text


def is_url(path: str) -> bool:
    """Tell whether `path` is a URL, or a chain of them, and not a local path."""
    return "://" in path or "::" in path


@contextlib.contextmanager
def open_source(path: str, params: Mapping[str, Any] | None = None) -> Iterator[IO[bytes]]:
    """Open a path or URL for reading.

    Raises:
        ArchiveError: it is not there, may not be read, or its driver is missing.
    """
    with _told(path, "read"), contextlib.ExitStack() as stack:
        if is_url(path):
            import fsspec

            file = stack.enter_context(fsspec.open(path, "rb", **(params or {})))
        else:
            file = stack.enter_context(Path(path).expanduser().open("rb"))
        yield file


@contextlib.contextmanager
def open_target(path: str, params: Mapping[str, Any] | None = None) -> Iterator[IO[bytes]]:
    """Open a path or URL for writing; it appears when the block ends well, and an exception leaves nothing.

    Remotes without an atomic rename (FTP, SFTP, WebDAV) get the file under another name first, and then its own.

    Raises:
        ArchiveError: it may not be written, or its driver is missing.
    """
    with _told(path, "write"):
        if is_url(path):
            with _open_remote(path, params or {}) as file:
                yield file
            return
        target = Path(path).expanduser()
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            with temporary.open("xb") as local:
                yield local
                local.flush()
                os.fsync(local.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _open_remote(path: str, params: Mapping[str, Any]) -> Iterator[IO[bytes]]:
    import fsspec

    system, name = fsspec.core.url_to_fs(path, **params)
    parent = system._parent(name)
    with contextlib.suppress(FileExistsError, NotImplementedError):
        system.makedirs(parent, exist_ok=True)
    # Object stores show an upload only when it is complete; file systems show it as it grows.
    grows = not getattr(system, "async_impl", False)
    temporary = f"{name}.{uuid.uuid4().hex[:8]}.part" if grows else name
    file = system.open(temporary, "wb")
    try:
        yield file
    except BaseException:
        discard = getattr(file, "discard", None)
        with contextlib.suppress(Exception):  # the first error is the one to tell
            (discard or file.close)()
        with contextlib.suppress(Exception):
            if grows:
                system.rm_file(temporary)
        raise
    file.close()
    if grows:
        with contextlib.suppress(FileNotFoundError, OSError):
            system.rm_file(name)
        system.mv(temporary, name)


@contextlib.contextmanager
def _told(path: str, doing: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        scheme = path.split("://", 1)[0].split("::")[-1]
        extra = EXTRAS.get(scheme, scheme)
        raise ArchiveError(
            f"Could not {doing} {redact(path)}: the driver for {scheme}:// is not installed ({error})",
            fix=f"Try: pip install 'tiffin[{extra}]'",
            path=path,
            member="",
        ) from error
    except FileNotFoundError as error:
        raise ArchiveError(f"Could not {doing} {redact(path)}: it is not there", path=path, member="") from error
    except PermissionError as error:
        raise ArchiveError(f"Could not {doing} {redact(path)}: permission was denied", path=path, member="") from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise
        raise ArchiveError(
            f"Could not {doing} {redact(path)}: {error}", fix="Look at the part before ://", path=path, member=""
        ) from error


def redact(path: str) -> str:
    """Return a URL without its password, for messages."""
    head, found, rest = path.partition("://")
    if not found or "@" not in rest.split("/", 1)[0]:
        return path
    login, _, host = rest.partition("@")
    return f"{head}://{login.split(':', 1)[0]}:***@{host}" if ":" in login else path

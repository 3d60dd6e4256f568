"""Remote targets and sources, through fsspec: each driver's ways of opening, completing and abandoning a file."""

from __future__ import annotations

import contextlib
import inspect
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from tiffin.places._driver_errors import exists_error, remember, told
from tiffin.places._sftp import sftp_file_system

_KEYS = {
    "s3": ("key", "secret"),
    "s3a": ("key", "secret"),
    "az": ("account_name", "account_key"),
    "abfs": ("account_name", "account_key"),
}
"""URL scheme → what its driver calls user and password, where it does not take them from the URL."""
_WEBDAV = {"webdav": "http", "dav": "http", "webdavs": "https", "davs": "https"}

_CONNECTIONS = {"sftp": "client", "ssh": "client", "ftp": "ftp"}
"""URL scheme → where its driver has the one connection that it works with."""

_CHAINING = {"fo", "fs", "target_protocol"}
"""What the drivers take that read through others; only they begin a chain of URLs."""

_PATIENCE = 5
"""Times that folders are made where others make them, too."""

_PART = 8 << 20
"""Bytes that go to or come from an object store in one request, and so are held in memory."""
_MAX_PARTS = 9000
"""Parts of one upload; S3 allows 10,000."""


@contextlib.contextmanager
def file_system(path: str, params: Mapping[str, Any] | None, doing: str) -> Iterator[tuple[Any, str]]:
    """Give the fsspec file system of a URL, and the name in it."""
    remember(path, params)
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
            # A connection that is kept may have been closed by the other side, and serves one thread.
            if scheme in _CONNECTIONS:
                options["skip_instance_cache"] = True
            if scheme in ("sftp", "ssh"):
                system, name = sftp_file_system(path, options)
            else:
                system, name = _open(path, scheme, options)
    try:
        yield system, name
    finally:
        if scheme in _CONNECTIONS:
            quietly(getattr(system, _CONNECTIONS[scheme]).close)


def takes_login(scheme: str, *, password: bool) -> bool:
    """Tell whether what opens URLs of a scheme gets the user, and the password, that stand in one; `True` if unknown."""
    if scheme in (*_KEYS, *_WEBDAV, "http", "https"):
        return True
    import fsspec

    try:
        driver = fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError):  # whoever opens the URL says so
        return True
    found = driver._get_kwargs_from_urls(f"{scheme}://the-user:the-password@host/path").values()
    return "the-user" in found and (not password or "the-password" in found)


def _open(path: str, scheme: str, options: dict[str, Any]) -> tuple[Any, str]:
    import fsspec

    if "::" in path and "::" not in scheme:
        driver = fsspec.get_filesystem_class(scheme)
        if not _CHAINING & inspect.signature(driver.__init__).parameters.keys():
            # Not a chain, but a name with "::" in it: fsspec would cut it there.
            return driver(**{**driver._get_kwargs_from_urls(path), **options}), driver._strip_protocol(path)
    system, name = fsspec.core.url_to_fs(path, **options)
    return system, name


def parts(system: Any, size: int) -> dict[str, int]:
    # The drivers of object stores would hold parts of 50 MiB, several of them.
    if not uploads(system):
        return {}
    mib = 1 << 20
    return {"block_size": max(_PART, -(-size // _MAX_PARTS // mib) * mib)}


def uploads(system: Any) -> bool:
    """Tell whether what is written shows only when it is complete, as in object stores."""
    return bool(getattr(system, "async_impl", False))


@contextlib.contextmanager
def open_remote(system: Any, name: str, path: str, size: int, replace: bool) -> Iterator[Any]:
    grows = not uploads(system)
    temporary = f"{name}.{uuid.uuid4().hex[:8]}.part" if grows else name
    with told(path, "write"):
        with contextlib.suppress(PermissionError):  # who may write may not always look
            system.invalidate_cache()
            if not replace and system.exists(name):
                raise exists_error(path)
        if grows:
            _make_folders(system, system._parent(name))
        file = system.open(temporary, "wb", **parts(system, size))
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
            quietly(system.rm_file, temporary)
        raise


def _make_folders(system: Any, folder: str) -> None:
    for attempt in range(_PATIENCE):
        try:
            system.makedirs(folder, exist_ok=True)
        except NotImplementedError:  # a place that has no folders
            return
        except Exception:
            # Somebody else makes the same folders in this moment, or they are there: each driver says so in its own way.
            system.invalidate_cache()
            if system.isdir(folder):
                return
            if attempt == _PATIENCE - 1:
                raise
            continue
        return


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
        quietly(file.discard)
        # Else the file would be completed with what it got so far, here or when it is collected.
        quietly(setattr, file, "closed", True)
    quietly(file.close)


def quietly(action: Any, *args: Any) -> None:
    # Tidying up after an error: the first error is the one to tell, and drivers raise what they like.
    with contextlib.suppress(Exception):
        action(*args)

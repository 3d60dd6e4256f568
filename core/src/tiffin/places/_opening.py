"""Places: local paths and the URLs that fsspec opens, read and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from tiffin.exceptions import ArchiveError
from tiffin.places._driver_errors import Told, told
from tiffin.places._fsspec import file_system, open_remote, parts, quietly, takes_login
from tiffin.places._local_files import Unnamed, check_target, parents
from tiffin.places._urls import is_url, redact, to_path


def compose(
    path: str | os.PathLike[str],
    *,
    protocol: str | None = None,
    user: str | None = None,
    passwd: str | None = None,
    subpath: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> str:
    """Return one path or URL from its parts; of a `file://` URL, the path.

    Nothing that is given is dropped: what does not fit together is refused.

    Args:
        path: the path; with `protocol`, what follows "://".
        protocol: the scheme of the URL.
        user, passwd: who logs in.
        subpath: what follows the path.
        params: options of the driver that will open it; only looked at.

    Raises:
        ArchiveError: it is a `file://` URL of another machine, a URL is given beside parts of one, or a login or options
            without what they are for.
    """
    text = os.fspath(path)
    given = [name for name, part in (("protocol", protocol), ("user", user), ("passwd", passwd)) if part is not None]
    if given and is_url(text):
        _refuse(
            redact(text), given, "it is a whole URL", "Write them into the URL, or give only what follows '://' as path"
        )
    if given and protocol is None:
        _refuse(text, given, "it is a local path", "Give protocol=, too, such as protocol='sftp'")
    if passwd is not None and user is None:
        _refuse(text, ["passwd"], "there is no user whose password it is", "Give user=, too")
    if protocol is not None:
        protocol = protocol.removesuffix("://")
        if not protocol:
            _refuse(text, ["protocol"], "that is empty", "Leave it out for a local path")
        if user is not None and protocol in ("file", "local"):
            _refuse(
                text, given[1:], "it is a local path", "Leave them out: nobody logs in to read a file of this machine"
            )
        if user is not None and not takes_login(protocol, password=passwd is not None):
            fix = "Give params= with what the driver of such URLs calls its credentials"
            _refuse(f"{protocol}://{text}", given[1:], "such URLs have no login", fix)
        login = ""
        if user is not None:
            login = quote(user, safe="") + (":" + quote(passwd, safe="") if passwd is not None else "") + "@"
        text = f"{protocol}://{login}{text.lstrip('/') if login else text}"
    place = to_path(f"{text.rstrip('/')}/{subpath.lstrip('/')}" if subpath else text)
    if params and not is_url(place):
        _refuse(place, ["params"], "it is a local path", "Leave them out: only drivers of servers have options")
    return place


def _refuse(path: str, given: list[str], what: str, fix: str) -> NoReturn:
    parts = " and ".join(f"{name}=" for name in given)
    raise ArchiveError(
        f"{path!r} is given with {parts}, but {what}",
        why="One of the two would be left out, and nobody be told",
        fix=fix,
        path=path,
        member="",
    )


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
            system, name = stack.enter_context(file_system(path, params, "read"))
            with told(path, "read"):
                file = system.open(name, "rb", **parts(system, 0))
            stack.callback(quietly, file.close)
        else:
            with told(path, "read"):
                file = stack.enter_context(Path(path).expanduser().open("rb", buffering=0))
        yield Told(file, path, "read")


@contextlib.contextmanager
def open_target(
    path: str,
    params: Mapping[str, Any] | None = None,
    *,
    size: int = 0,
    replace: bool = True,
    make_parents: bool = True,
) -> Iterator[Any]:
    """Open a path or URL for writing; it appears when the block ends well, and an exception leaves nothing.

    Remotes without uploads that appear at their end (FTP, SFTP, WebDAV) get the file under another name first.

    Args:
        path: the path or URL.
        params: options of the fsspec file system.
        size: about how many bytes will be written.
        replace: whether what is there is replaced.
        make_parents: whether missing folders above a local path are made. On servers they are, always.

    Raises:
        ArchiveError: it exists and `replace` is false, it may not be written, or its driver is missing; also raised by
            `write`.
        StorageFullError: no space is left there.
    """
    if is_url(path):
        with (
            file_system(path, params, "write") as (system, name),
            open_remote(system, name, path, size, replace) as file,
        ):
            yield Told(file, path, "write")
        return
    with contextlib.ExitStack() as stack:
        with told(path, "write"):
            # A link is followed, as other programs do; only what it leads to is replaced.
            target = Path(os.path.realpath(os.path.expanduser(path)))
            check_target(target, path, replace=replace)
            stack.enter_context(parents(target, path, make=make_parents))
            file = stack.enter_context(Unnamed(target, path, replace=replace))
        yield Told(file, path, "write")
        with told(path, "write"):
            file.publish()

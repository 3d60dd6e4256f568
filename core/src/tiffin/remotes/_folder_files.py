"""Places of plain objects, as a remote in the store's layout needs: a folder, or anything that fsspec opens.

No place can rename a folder in one step, and not every one a file; but each shows a new object only when it is whole.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tiffin.exceptions import TransferError
from tiffin.files import sync_file
from tiffin.places import Unnamed, file_system, open_remote, parts, quietly, redact, uploads
from tiffin.remotes._errors import remote_errors

_AZURE = ("az", "abfs", "abfss", "adl")


class Place(Protocol):
    """Where objects lie, each under a path with "/"."""

    @property
    def url(self) -> str:
        """The place's URL without secrets."""

    @property
    def threads(self) -> int:
        """How many objects may be read or written at once."""

    def size(self, path: str) -> int | None:
        """Return an object's bytes, `None` where there is none."""

    def list(self, path: str) -> list[str]:
        """Return the names of what lies directly in a folder; none where there is no such folder."""

    def open(self, path: str, offset: int = 0) -> contextlib.AbstractContextManager[Any]:
        """Open an object for reading.

        Raises:
            FileNotFoundError: it is not there.
        """

    def create(self, path: str, size: int) -> contextlib.AbstractContextManager[Any]:
        """Open an object of about `size` bytes for writing; it is there, in another's place, when the block ends well."""

    def put(self, path: str, data: bytes, *, replace: bool) -> None:
        """Write a small object.

        Raises:
            FileExistsError: it is there and `replace` is false. Where the place can tell so in the step of writing, one
                of two who write at once gets this.
        """

    def close(self) -> None:
        """Close connections."""


class LocalPlace:
    """A folder of this machine, which may be shared through a network file system."""

    threads = 2

    def __init__(self, root: str) -> None:
        self.root = Path(os.path.abspath(os.path.expanduser(root)))
        self.url = self.root.as_uri()

    def size(self, path: str) -> int | None:
        with remote_errors(self._shown(path), "read"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = (self.root / path).stat()
            return status.st_size if stat.S_ISREG(status.st_mode) else None
        return None

    def list(self, path: str) -> list[str]:
        with remote_errors(self._shown(path), "read"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.listdir(self.root / path)
        return []

    @contextlib.contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Any]:
        missing: FileNotFoundError | None = None
        with contextlib.ExitStack() as stack:
            with remote_errors(self._shown(path), "read"):
                try:
                    # A name that ends in a pipe or a device must not be waited for.
                    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
                    descriptor = os.open(self.root / path, flags)
                except FileNotFoundError as error:
                    missing = error
                else:
                    stack.callback(os.close, descriptor)
                    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                        shown = self._shown(path)
                        raise TransferError(f"Could not read {shown}: it is not a regular file", url=self.url)
                    file = stack.enter_context(open(descriptor, "rb", buffering=0, closefd=False))
                    file.seek(offset)
            if missing is not None:
                raise missing
            yield _Told(file, self._shown(path), "read")

    @contextlib.contextmanager
    def create(self, path: str, size: int) -> Iterator[Any]:
        with self._new(path, replace=True) as file:
            yield file

    def put(self, path: str, data: bytes, *, replace: bool) -> None:
        try:
            with self._new(path, replace=replace) as file:
                file.write(data)
        except TransferError as error:
            if not replace and self.size(path) is not None:
                raise FileExistsError(self._shown(path)) from error
            raise

    @contextlib.contextmanager
    def _new(self, path: str, *, replace: bool) -> Iterator[Any]:
        target, shown = self.root / path, self._shown(path)
        with contextlib.ExitStack() as stack:
            with remote_errors(shown, "write"):
                mode = self._make_folders(target.parent)
                file = stack.enter_context(Unnamed(target, str(target), replace=replace))
                file.set_mode(mode & 0o666)
            yield _Told(file, shown, "write")
            with remote_errors(shown, "write"):
                file.publish()
                # The name must survive a power failure as its content does.
                sync_file(target.parent)

    def _make_folders(self, folder: Path) -> int:
        """Make folders with the permissions of the root, and return those.

        Where a group may write to the root, it may write below, too.
        """
        missing = [above for above in (folder, *folder.parents) if not above.exists()]
        self.root.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(self.root.stat().st_mode)
        for above in reversed(missing):
            if above != self.root and self.root in above.parents:
                with contextlib.suppress(FileExistsError):  # somebody else made it, and sets its mode
                    above.mkdir()
                    above.chmod(mode)
        return mode

    def close(self) -> None:
        pass

    def _shown(self, path: str) -> str:
        return f"{self.url}/{path}"


class RemotePlace:
    """A folder or bucket that an fsspec driver reaches."""

    def __init__(self, url: str, params: Mapping[str, Any] | None) -> None:
        self.url = redact(url).rstrip("/")
        self._stack = contextlib.ExitStack()
        with remote_errors(self.url, "read"):
            self._system, root = self._stack.enter_context(file_system(url, dict(params or {}), "read"))
        self._root = root.rstrip("/")
        # Drivers that keep one connection to their server do one thing at a time.
        self.threads = 4 if getattr(self._system, "async_impl", False) else 1

    def size(self, path: str) -> int | None:
        with remote_errors(self._shown(path), "read"):
            self._system.invalidate_cache()  # others write there, too
            try:
                info = self._system.info(self._at(path))
            except FileNotFoundError:
                return None
            return int(info["size"] or 0) if info["type"] == "file" else None

    def list(self, path: str) -> list[str]:
        with remote_errors(self._shown(path), "read"):
            self._system.invalidate_cache()
            try:
                found = self._system.ls(self._at(path), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
            own = self._at(path).strip("/")
            return [entry.rstrip("/").rpartition("/")[2] for entry in found if entry.strip("/") != own]

    @contextlib.contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Any]:
        missing: FileNotFoundError | None = None
        with contextlib.ExitStack() as stack:
            with remote_errors(self._shown(path), "read"):
                try:
                    file = self._system.open(self._at(path), "rb", **parts(self._system, 0))
                    stack.callback(quietly, file.close)
                    if offset:
                        file.seek(offset)
                except FileNotFoundError as error:
                    missing = error
            if missing is not None:
                raise missing
            yield _Told(file, self._shown(path), "read")

    @contextlib.contextmanager
    def create(self, path: str, size: int) -> Iterator[Any]:
        shown, name = self._shown(path), self._at(path)
        with remote_errors(shown, "write"), open_remote(self._system, name, shown, size, True) as file:
            yield file

    def put(self, path: str, data: bytes, *, replace: bool) -> None:
        if not replace and self.size(path) is not None:
            raise FileExistsError(self._shown(path))
        if not uploads(self._system):
            # Drivers of these servers rename, and most servers refuse to rename over what is there.
            with self.create(path, len(data)) as file:
                file.write(data)
            return
        exists = None
        with remote_errors(self._shown(path), "write"):
            try:
                self._system.pipe_file(self._at(path), data, **({} if replace else self._exclusive()))
            except FileExistsError as error:
                exists = error
        if exists is not None:
            raise FileExistsError(self._shown(path)) from exists

    def _exclusive(self) -> dict[str, Any]:
        protocol = self._system.protocol
        azure = (protocol if isinstance(protocol, str) else protocol[0]) in _AZURE
        return {"overwrite": False} if azure else {"mode": "create"}

    def close(self) -> None:
        self._stack.close()

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _shown(self, path: str) -> str:
        return f"{self.url}/{path}"


class _Told:
    """A file whose errors, which are those of any driver, become errors of Tiffin."""

    def __init__(self, file: Any, shown: str, doing: str) -> None:
        self._file = file
        self._shown = shown
        self._doing = doing

    def read(self, size: int = -1) -> bytes:
        with remote_errors(self._shown, self._doing):
            data: bytes = self._file.read(size)
        return data

    def write(self, data: Any) -> None:
        with remote_errors(self._shown, self._doing):
            self._file.write(data)

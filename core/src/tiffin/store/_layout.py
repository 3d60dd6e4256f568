"""Where things lie in a store, its format version, and what may go wrong on its disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
from collections.abc import Iterator

from tiffin.exceptions import ReadOnlyStoreError, StorageFullError, StoreError, StoreFormatError
from tiffin.files import denial, sync_file, unreadable
from tiffin.hints import UPGRADE
from tiffin.store._permissions import Modes, make_folders

FORMAT = 1
"""The version of the store's layout that this Tiffin writes."""


class Layout:
    """The folders of one store. Paths are strings: lists of many models make many.

    Args:
        root: the store's folder; need not exist.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.format = os.path.join(root, "format")
        self.models = os.path.join(root, "models")
        self.blobs = os.path.join(root, "blobs", "sha256")
        self.damaged = os.path.join(root, "blobs", "damaged")
        self.origins = os.path.join(root, "origins")
        self.arrivals = os.path.join(root, "arrivals")
        self.signatures = os.path.join(root, "signatures")
        self.examples = os.path.join(root, "examples")
        self.aliases = os.path.join(root, "aliases")
        self.journal = os.path.join(root, "journal")
        self.trash = os.path.join(root, "trash")
        self.staging = os.path.join(root, "staging")
        self.partial = os.path.join(root, "partial")
        self.catalog = os.path.join(root, "catalog.sqlite")
        self.trash_due = 0.0
        self._known = self._prepared = False
        self._modes: Modes | None = None

    def version(self, name: str, version: str) -> str:
        """Return the folder of one version."""
        return f"{self.models}/{name}/{version}"

    def record(self, name: str, version: str) -> str:
        """Return the path of one version's model.yaml."""
        return f"{self.models}/{name}/{version}/model.yaml"

    def blob(self, sha256: str) -> str:
        """Return the path of the blob with this digest."""
        return f"{self.blobs}/{sha256[:2]}/{sha256}"

    def journal_of(self, name: str) -> str:
        """Return the path of a name's journal."""
        return f"{self.journal}/{name}"

    def modes(self) -> Modes:
        """Return the modes and group of what is made here: those of models/, or of what is there instead.

        One change makes half a dozen things; each change looks anew.
        """
        modes = self._modes
        if modes is None:
            modes = self._modes = self._look_at_modes()
        return modes

    def _look_at_modes(self) -> Modes:
        for folder in (self.models, self.root):
            with contextlib.suppress(FileNotFoundError):
                return Modes.of(folder)
        above = os.path.dirname(self.root)
        os.makedirs(above, exist_ok=True)
        if os.stat(above).st_mode & (stat.S_ISGID | stat.S_IWGRP) == stat.S_ISGID | stat.S_IWGRP:
            return Modes.of(above)  # a folder for a group, made before the first save
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.root)
        return Modes.of(self.root)

    def make_folder(self, path: str, *, inner: bool = False) -> None:
        """Make a folder of the store, and those above it, for all who have access to the store.

        Args:
            path: the folder; it may be there.
            inner: whether only those need it who may change the store.
        """
        if not os.path.isdir(path):
            modes = self.modes()
            make_folders(self.root, path, modes, modes.inner if inner else modes.folder)

    def make_name(self, name: str) -> None:
        """Make a name's folder in models/, and make it last. Under the name's lock: who finds it there relies on that."""
        self.make_folder(f"{self.models}/{name}")
        sync_file(self.models)

    def check_format(self) -> None:
        """Refuse a store that a newer Tiffin wrote. Looks once; a store that does not exist yet is fine.

        Raises:
            StoreFormatError: the format is newer, or the file does not hold a number.
            StoreError: the store's folder is a file.
        """
        if self._known:
            return
        try:
            with open(self.format, encoding="utf-8", errors="replace") as file:
                text = file.read(64).strip()
        except FileNotFoundError:
            return
        except PermissionError as error:
            raise unreadable(f"The store {self.root}", error, self.format) from error
        except IsADirectoryError as error:
            raise self._unreadable("which is a folder") from error
        except NotADirectoryError as error:
            raise StoreError(
                f"The store {self.root} cannot be a folder: a part of its path is a file",
                fix="Set TIFFIN_HOME to a folder",
                path=self.root,
            ) from error
        if not text.isdigit() or int(text) == 0:
            raise self._unreadable(f"{text!r}")
        if int(text) > FORMAT:
            raise StoreFormatError(
                f"The store {self.root} has format {text}, and this Tiffin knows formats up to {FORMAT}",
                why="A newer Tiffin wrote it",
                fix=UPGRADE,
                path=self.format,
            )
        self._known = True

    def _unreadable(self, what: str) -> StoreFormatError:
        return StoreFormatError(
            f"The store {self.root} has an unreadable format version: {what}",
            why="Which layout it has cannot be told",
            fix=f"Restore {self.format} from a backup of the store",
            path=self.format,
        )

    def prepare(self) -> None:
        """Make the store's folders where they are missing. Called before every change.

        Raises:
            StoreFormatError, ReadOnlyStoreError, StorageFullError, StoreError: it cannot be written to.
        """
        self.check_format()
        self._modes = None
        if self._prepared and os.path.isdir(self.staging):
            return
        with disk_errors(self.root):
            for folder in (self.models, self.blobs, self.origins, self.aliases):
                self.make_folder(folder)
            self.make_folder(self.staging, inner=True)
            # Made now as well: who changes the store later may not be allowed to make them.
            for folder in (self.arrivals, self.signatures, self.examples, self.journal, self.trash, self.partial):
                with contextlib.suppress(OSError):
                    self.make_folder(folder, inner=folder == self.partial)
            self._modes = None
            modes = self.modes()
            for folder in (self.staging, self.partial):
                with contextlib.suppress(OSError):  # as an older Tiffin has made them: for their maker alone
                    modes.give(folder, modes.inner)
            if not os.path.exists(self.format):
                self._write_format()
        self._known = self._prepared = True

    def _write_format(self) -> None:
        # A name of its own for each thread: whoever is first is as right as the others.
        temporary = f"{self.staging}/format.{os.getpid()}.{threading.get_ident()}"
        while not os.path.exists(self.format):
            self.modes().write(temporary, f"{FORMAT}\n".encode())
            with contextlib.suppress(FileNotFoundError):  # another process swept it
                os.replace(temporary, self.format)
        # The folders were made just now: without this a power failure could take them, and all that was saved since.
        for folder in (os.path.dirname(self.blobs), self.root, os.path.dirname(self.root)):
            sync_file(folder)


@contextlib.contextmanager
def disk_errors(root: str) -> Iterator[None]:
    """Turn what a disk can refuse into errors that say so.

    Raises:
        StorageFullError: no space, quota or inode is left.
        ReadOnlyStoreError: the store may not be written to.
        StoreError: a part of the store's path is not a folder.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError) or not _concerns(error, root):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"No space is left in the store {root}",
                why="Nothing was published, and nothing half-written remains",
                fix="Free space, for example that of deleted models: tiffin models gc --trash, or tiffin models delete --now",
                path=root,
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            whose, owner = denial(error) if error.errno != errno.EROFS else ("", "")
            raise ReadOnlyStoreError(
                f"The store {root} may not be written to ({error.strerror})",
                why=whose or "Reading models from it works, changing it does not",
                fix=(f"Ask {owner} to let you write there, or set" if owner else "Set")
                + " TIFFIN_HOME to a folder that you may write to",
                path=root,
            ) from error
        if error.errno == errno.ENOTDIR:
            raise StoreError(
                f"The store {root} cannot be a folder: a part of its path is a file",
                fix="Set TIFFIN_HOME to a folder",
                path=root,
            ) from error
        raise


@contextlib.contextmanager
def reading_errors(root: str) -> Iterator[None]:
    """Turn refusals to read what is in a store into an error that says whose permission is missing.

    Raises:
        StoreError: something may not be read.
    """
    try:
        yield
    except PermissionError as error:
        if not _concerns(error, root):
            raise
        raise unreadable(f"The store {root}", error, root) from error


def _concerns(error: OSError, root: str) -> bool:
    # An adapter may read or write elsewhere: what it may not read there says nothing about the store.
    if not isinstance(error.filename, (str, bytes)):
        return True
    return os.path.abspath(os.fsdecode(error.filename)).startswith(root)


def step(operation: str, name: str) -> None:
    """Announce that a named step of a change is done, as the audit event `tiffin.store.step`.

    Audit hooks (`sys.addaudithook`) see the events; without any this costs nothing.
    """
    sys.audit("tiffin.store.step", operation, name)

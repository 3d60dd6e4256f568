"""Verifying: reading everything again, and saying what is not as it was saved."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import attrs

from tiffin.exceptions import ModelNotFoundError, RecordError, StoreError, TiffinError
from tiffin.files import denial, digest_file
from tiffin.info import RECORD_NAME, ModelInfo, encode_cached, is_system_file
from tiffin.origin import is_local
from tiffin.store import _changes, _records
from tiffin.store._attestations import Attestations
from tiffin.store._examples import KeptExamples
from tiffin.store._layout import reading_errors, step
from tiffin.store._origins import Origins
from tiffin.store._scan import make_entry
from tiffin.store._store import ModelStore
from tiffin.tags import Tag, is_part


@attrs.frozen
class Problem:
    """One thing that is not as it should be.

    Attributes:
        tag: the version concerned; empty where it is none.
        path: the file or folder.
        what: what is wrong, as a sentence.
        fix: what to do.
        state: "edited" (record edited by hand), "damaged", "missing", "foreign", "unreadable" (to this user, or on a disk
            that fails) or "repaired".
    """

    tag: str
    path: str
    what: str
    fix: str
    state: str


def verify(store: ModelStore, tag: str | Tag | None = None, *, accept: bool = False) -> list[Problem]:
    """Read versions again and compare them with their records.

    A damaged blob is moved aside, so that no later save links to it; a missing one is restored from a good file.

    Args:
        store: the store.
        tag: which version; a name alone stands for all its versions, and `None` for the whole store, blobs and aliases
            included.
        accept: whether a record that was edited by hand becomes the record, if it is valid and the files are good.

    Returns:
        What is wrong; "repaired" where it no longer is. Empty: all is as it was saved.

    Raises:
        ModelNotFoundError: there is no such version.
    """
    store.layout.check_format()
    checker = _Checker(store, accept=accept)
    with reading_errors(store.layout.root):
        if tag is None:
            checker.everything()
        elif (parsed := Tag.parse(tag)).version is not None:
            checker.version(parsed.name, store.resolve(parsed))
        elif os.path.isdir(f"{store.layout.models}/{parsed.name}"):
            checker.name(parsed.name)
        else:
            raise store.finder.not_found(parsed)
    return checker.problems


class _Checker:
    def __init__(self, store: ModelStore, *, accept: bool) -> None:
        self.store = store
        self.layout = store.layout
        self.accept = accept
        self.problems: list[Problem] = []
        # Versions share files: each inode is read once.
        self._digests: dict[tuple[int, int], str] = {}

    def everything(self) -> None:
        layout = self.layout
        if os.path.isdir(layout.models) and not os.path.exists(layout.format):
            self._add(
                "",
                layout.format,
                "The store's format version is missing",
                "Restore it from a backup; else the next change takes the store for one of this Tiffin's",
                "missing",
            )
        if not self.store.check_catalog():
            self._add("", layout.catalog, "The catalog was damaged, and is made again", "", "repaired")
        names = [name for name, _ in self._places(layout.models, "", "a model's name")]
        for name in names:
            self.name(name)
        for path, status in self.store.blobs.everything():
            if self.store.blobs.is_blob(path, status):
                self._blob(path, status)
            elif not os.path.basename(path).startswith("."):
                self._add("", path, "It is not a blob", "Move it elsewhere, or delete it", "foreign")
        for path in Attestations(layout).foreign():
            self._add("", path, "It is not the folder of signatures", "Move it elsewhere, or delete it", "foreign")
        for path in KeptExamples(layout).foreign():
            self._add(
                "", path, "It is not the file of a content's examples", "Move it elsewhere, or delete it", "foreign"
            )
        for name in self.store.finder.aliases.names():
            if name not in names:
                self._aliases(name)

    def name(self, name: str) -> None:
        """Check all versions of a name, and its aliases."""
        for version, _ in list(self._places(f"{self.layout.models}/{name}", name, "a version")):
            self.version(name, version)
        self._aliases(name)

    def _aliases(self, name: str) -> None:
        for alias in self.store.finder.aliases.entries(name):
            self._alias(name, alias)

    def _alias(self, name: str, alias: str) -> None:
        path = f"{self.layout.aliases}/{name}/{alias}"
        try:
            version = self.store.finder.aliases.read(name, alias)
        except StoreError as error:
            self._add(f"{name}:{alias}", path, error.what, error.fix, "unreadable")
            return
        if version is None:
            if os.path.lexists(path) and not alias.startswith(".") and not is_system_file(alias):
                self._add(
                    f"{name}:{alias}", path, "The alias is damaged", "Delete the file, and set it again", "damaged"
                )
        elif not os.path.exists(self.layout.record(name, version)) and os.path.lexists(path):
            self._add(
                f"{name}:{alias}",
                path,
                f"The alias means '{name}:{version}', which is not in the store",
                f"Set or remove it: tiffin models alias --remove {name}:{alias}",
                "missing",
            )

    def _places(self, folder: str, name: str, what: str) -> Iterator[tuple[str, str]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and is_part(entry.name):
                yield entry.name, entry.path
            elif not entry.name.startswith("."):
                tag = f"{name}:{entry.name}" if name else entry.name
                self._add(
                    tag, entry.path, f"It is not the folder of {what}", "Move it elsewhere, or delete it", "foreign"
                )

    def version(self, name: str, version: str) -> None:
        """Check one version's record and files."""
        tag = f"{name}:{version}"
        record = self.layout.record(name, version)
        try:
            info, stamp = _records.read(self.layout, name, version)
        except ModelNotFoundError:
            return  # deleted meanwhile
        except RecordError as error:
            state = "damaged" if os.path.exists(record) else "foreign"
            self._add(tag, error.path, error.what, error.fix or "Restore it, or delete the version", state)
            return
        if self.store.mend_catalog(make_entry(self.store.layout, info, stamp, encode_cached(info))):
            self._add(tag, self.layout.catalog, "The catalog's entry was damaged, and is mended", "", "repaired")
        files_good = self._files(tag, info)
        changed = info.content_digest != info.compute_digest()
        if info.edited and self.accept and files_good:
            self._accept(info)
        elif info.edited or changed:
            self._add(
                tag,
                record,
                "The record was edited by hand or damaged"
                + (", in what loading depends on: framework, options, signatures or files" if changed else ""),
                f"If you meant it: tiffin models verify {tag} --accept",
                "edited",
            )
        self._origin(tag, info)
        for path in Attestations(self.layout).damaged(info.compute_digest()):
            what = "It is not a signature, or is damaged; it counts for nothing"
            self._add(tag, path, what, "Delete it, and get the signature again", "damaged")

        kept = KeptExamples(self.layout)
        if what := kept.wrong(info.compute_digest()):
            fix = "Delete it, and get the model again, or save it again with examples"
            self._add(tag, kept.path_of(info.compute_digest()), what, fix, "damaged")

    def _files(self, tag: str, info: ModelInfo) -> bool:
        folder = self.layout.version(info.name, info.version)
        good = True
        for file, entry in info.files.items():
            path = f"{folder}/{file}"
            try:
                what = self._difference(path, entry.size, entry.sha256)
            except OSError as error:
                good = False
                self._unreadable(tag, path, error)
                continue
            if what:
                good = False
                self._add(tag, path, what, "Restore the file, or delete the version and save it again", "damaged")
            elif self.store.blobs.restore(path, entry.sha256):
                self._add(tag, self.layout.blob(entry.sha256), "The blob was missing from the index", "", "repaired")
        if not os.path.isdir(folder):
            return good  # deleted meanwhile
        for path in _unlisted(folder, info):
            good = False
            self._add(tag, path, "The record does not list this file", "Move it elsewhere, or delete it", "foreign")
        return good

    def _difference(self, path: str, size: int, sha256: str) -> str:
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return "The file is missing"
        if not stat.S_ISREG(status.st_mode):
            return "It is not a file"
        if status.st_size != size:
            return f"The file has {status.st_size} bytes; {size} were saved"
        return "" if self._digest(path, status) == sha256 else "The file's content is not what was saved"

    def _unreadable(self, tag: str, path: str, error: OSError) -> None:
        whose, owner = denial(error) if isinstance(error, PermissionError) else ("", "")
        what = f"The file cannot be read: {error.strerror}" + (f". {whose}" if whose else "")
        self._add(tag, path, what, f"Ask {owner} to let you read it" if owner else "Look at the disk", "unreadable")

    def _digest(self, path: str, status: os.stat_result) -> str:
        key = (status.st_dev, status.st_ino)
        if key not in self._digests:
            self._digests[key] = digest_file(path).sha256
        return self._digests[key]

    def _blob(self, path: str, status: os.stat_result) -> None:
        name = os.path.basename(path)
        try:
            if self._digest(path, status) == name:
                return
        except FileNotFoundError:
            return  # released meanwhile
        except OSError as error:
            self._unreadable("", path, error)
            return
        try:
            self.store.blobs.put_aside(path)
            moved = f"It was moved to {self.layout.damaged}; no later save will use it"
        except FileNotFoundError:
            return  # released meanwhile
        except OSError as error:
            moved = f"It could not be moved aside ({error.strerror}): later saves may use it"
        self._add(
            "", path, f"The blob's content does not have its digest. {moved}", "See the versions above", "damaged"
        )

    def _origin(self, tag: str, info: ModelInfo) -> None:
        try:
            Origins(self.layout).read(info.content_digest)
        except StoreError as error:
            state = "unreadable" if isinstance(error.__cause__, PermissionError) else "damaged"
            self._add(tag, error.path, error.what, error.fix, state)

    def _accept(self, info: ModelInfo) -> None:
        record = self.layout.record(info.name, info.version)

        def reseal(current: ModelInfo) -> ModelInfo:
            return attrs.evolve(current, content_digest=current.compute_digest(), edited=False)

        try:
            with self.store.changing() as folder:
                accepted, stamp = _changes.edit(self.layout, info.name, info.version, reseal, what="accepted")
                self._accept_origin(folder, info.content_digest, accepted.content_digest)
                step("accept", "origin")
        except TiffinError as error:
            self._add(str(info.tag), record, f"The record could not be accepted: {error}", "", "edited")
            return
        self.store.note([make_entry(self.store.layout, accepted, stamp, encode_cached(accepted))])
        self._add(str(info.tag), record, "The record was edited by hand, and is accepted now", "", "repaired")

    def _accept_origin(self, folder: str, before: str, now: str) -> None:
        # To accept an edit is not to trust a stranger: what came from elsewhere stays what came from elsewhere.
        try:
            old = Origins(self.layout).read(before)
        except StoreError:
            old = None
        if is_local(old):
            Origins(self.layout).write(folder, now, "accepted here")
        elif old is not None:
            Origins(self.layout).write(folder, now, old["how"])

    def _add(self, tag: str, path: str, what: str, fix: str, state: str) -> None:
        self.problems.append(Problem(tag, path, what, fix, state))


def _unlisted(folder: str, info: ModelInfo) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(f"{parent}/{name}")]
        for file in sorted(files + links):
            path = os.path.relpath(f"{parent}/{file}", folder)
            if path != RECORD_NAME and path not in info.files and not is_system_file(path):
                yield f"{folder}/{path}"

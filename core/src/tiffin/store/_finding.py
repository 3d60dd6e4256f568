"""Finding: what a store holds, and what a tag means. Reads only; the catalog is brought up to date on the way."""

from __future__ import annotations

import errno
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tiffin.exceptions import AmbiguousTagError, ModelNotFoundError, StoreError, StoreWarning
from tiffin.files import unreadable
from tiffin.model import RETRIES, Row, Stamp
from tiffin.showing import close_names
from tiffin.store import _records
from tiffin.store._aliases import Aliases
from tiffin.store._catalog import Catalog
from tiffin.store._layout import Layout, reading_errors
from tiffin.store._scan import entry_of, refresh, refresh_name
from tiffin.store._staging import is_aside, sweep
from tiffin.tags import LATEST, Tag, check_part

if TYPE_CHECKING:
    from tiffin.info import ModelInfo

_PATIENCE = 100
"""Milliseconds for which a version that is just being overwritten in several steps is waited for."""
T = TypeVar("T")
List = list  # within the class below, `list` is a method


class Finder:
    """The part of a store that reads: rows and records, and what tags mean.

    Args:
        layout: where the store has what.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.catalog = Catalog(layout)
        self.aliases = Aliases(layout)

    def stamp(self, name: str, version: str) -> Stamp | None:
        """Return by what a version's record is known to be unchanged; `None` where there is none."""
        return _records.stamp_of(self.layout.record(name, version))

    def read_record(self, name: str, version: str) -> tuple[ModelInfo, Stamp]:
        """Return a version's record and its stamp, from the catalog where that holds it as it is on disk.

        Raises:
            ModelNotFoundError, RecordError: there is no valid record.
        """
        from tiffin.info import decode_cached

        stamp = self.stamp(name, version)
        if stamp is None and self._is_there(name, version):
            stamp = self.stamp(name, version)
        cached = self.catalog.record(name, version, stamp) if stamp is not None else None
        if cached is not None and stamp is not None:
            return decode_cached(cached), stamp
        entry = entry_of(self.layout, name, version)
        self.catalog.put([entry])
        return decode_cached(entry.record), entry.stamp

    # -- finding -------------------------------------------------------------------------------------------------------

    def rows(self, name: str | None) -> List[Row]:
        """Return what a list needs to know of the versions of one name, or of all; by name, newest first.

        Warns:
            StoreWarning: something in the store is not a model; it is passed over.
        """
        checked = check_part(name, "model name") if name is not None else None
        return [Row._make(row) for row in self.ask(checked, lambda catalog: catalog.rows(checked))]

    def ask(
        self, name: str | None, question: Callable[[Catalog], T], *, versions_only: bool = False, warn: bool = True
    ) -> T:
        """Return what the catalog answers, once it is up to date with one name, or all."""
        with reading_errors(self.layout.root):
            return self._ask(name, question, versions_only=versions_only, warn=warn)

    def _ask(self, name: str | None, question: Callable[[Catalog], T], *, versions_only: bool, warn: bool) -> T:
        self.layout.check_format()
        # A damaged one is removed when that shows, and the second attempt makes a new one. One that cannot be written to
        # (locked, full disk) is of no use for what has changed: then all is read again, in memory.
        catalog, attempts = self.catalog, 2
        while True:
            catalog.failed = False
            if name is None:
                notes = refresh(self.layout, catalog)
            else:
                notes = refresh_name(self.layout, catalog, name, versions_only=versions_only)
            answer = question(catalog)
            attempts -= 1
            if not catalog.failed or catalog is not self.catalog:
                break
            if attempts == 0 or not catalog.worth_another_try:
                catalog = Catalog(self.layout, in_memory=True)
        for note in dict.fromkeys(notes if warn else ()):
            warnings.warn(note, StoreWarning, _callers_level())
        return answer

    def find(self, tag: str | Tag) -> tuple[str, str, tuple[ModelInfo, Stamp]]:
        """Return name, version and record of what a tag means; see `ModelStore.get`."""
        tag = Tag.parse(tag)
        self.layout.check_format()
        for attempt in range(RETRIES):
            version = self.resolve(tag)
            try:
                return tag.name, version, self.read_record(tag.name, version)
            except ModelNotFoundError:
                # Deleted since the tag was resolved: `latest`, an alias or a prefix may mean another version now.
                if attempt == RETRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def resolve(self, tag: str | Tag) -> str:
        """Return the version that a tag means.

        Raises:
            ModelNotFoundError, AmbiguousTagError: it means none, or several.
        """
        tag = Tag.parse(tag)
        name, wanted = tag.name, tag.version
        if wanted is None or wanted == LATEST:
            newest = self.ask(name, lambda catalog: catalog.newest(name), versions_only=True)
            if newest is None:
                raise self.not_found(tag)
            return newest
        if self._is_there(name, wanted):
            return wanted
        alias = self.aliases.read(name, wanted)
        while alias is not None:
            if self._is_there(name, alias):
                return alias
            before, alias = alias, self.aliases.read(name, wanted)
            if alias == before:
                break  # else it was moved, and then the old version deleted
        versions = self.versions(name)
        begin = [version for version in versions if version.startswith(wanted)]
        if len(begin) == 1:
            return begin[0]
        if begin:
            raise AmbiguousTagError(
                f"'{tag}' could be {len(begin)} versions: {', '.join(begin[:5])}{', …' if len(begin) > 5 else ''}",
                fix="Give more of the version",
                tag=str(tag),
                versions=tuple(begin),
            )
        if os.path.isdir(self.layout.version(name, wanted)):
            return wanted  # not a model; whoever reads its record says why
        raise self.not_found(tag)

    def _is_there(self, name: str, version: str) -> bool:
        record = self.layout.record(name, version)
        if os.path.exists(record):
            return True
        # Where two folders cannot be exchanged in one step, a version that is overwritten is not there for a moment; and
        # if its writer was killed in this moment, it waits in staging/ to be put back.
        for _ in range(_PATIENCE):
            if not is_aside(self.layout, name, version):
                break
            sweep(self.layout)
            if os.path.exists(record):
                break
            time.sleep(0.001)
        return os.path.exists(record)

    def versions(self, name: str) -> List[str]:
        """Return the versions of a name, newest first; none where the name is not in the store."""
        return [row[1] for row in self.ask(name, lambda catalog: catalog.rows(name))]

    def names(self) -> List[str]:
        """Return the names of the models in the store."""
        return sorted({row[0] for row in self.ask(None, lambda catalog: catalog.rows())})

    def not_found(self, tag: Tag) -> ModelNotFoundError | StoreError:
        """Return the error for a tag that means no version that can be seen, with what there is instead."""
        folder = f"{self.layout.models}/{tag.name}"
        if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
            refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
            return unreadable(f"What the store has of '{tag.name}'", refused, folder)
        versions = self.versions(tag.name)
        if versions:
            aliases = self.aliases_of(tag.name)
            known = ", ".join([*aliases, *versions][:6]) + (", …" if len(aliases) + len(versions) > 6 else "")
            fix = f"'{tag.name}' has {known}"
        else:
            names = self.names()
            close = close_names(tag.name, names)
            fix = (
                "Did you mean " + " or ".join(repr(name) for name in close) + "?"
                if close
                else "Try: tiffin models list"
            )
        return ModelNotFoundError(
            f"Model '{tag}' was not found", why=f"The store is {self.layout.root}", fix=fix, tag=str(tag)
        )

    def check_catalog(self) -> bool:
        """Tell whether the catalog is sound or not there; a damaged one is removed. See `ModelStore.check_catalog`."""
        # `verify` itself names what is no model.
        if self.catalog.is_sound() and all(
            os.path.lexists(self.layout.version(row[0], row[1]))
            for row in self.ask(None, lambda catalog: catalog.rows(), warn=False)
        ):
            return True
        self.catalog.delete()
        return False

    def aliases_of(self, name: str) -> dict[str, str]:
        """Return alias → version of a name; aliases whose version is gone are left out."""
        found = self.aliases.of_name(check_part(name, "model name"))
        return {alias: version for alias, version in found.items() if os.path.exists(self.layout.record(name, version))}


def _callers_level() -> int:
    """Return the stack level of the first caller outside Tiffin: a warning belongs to the line that asked."""
    package = os.path.dirname(os.path.dirname(__file__)) + os.sep
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    return level

"""Files of `torch.save`, read onto a tape without torch: a zip archive of one pickle, and of the bytes of each storage.

The layout is that of PyTorch 1.6 to 2.13. Within the pickle a persistent id stands for a storage:
`("storage", class, key, location, number of elements)`; its bytes are the member data/key, which is not compressed.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from tiffin.inspection import InertDtype, Inspection, Tape, Unfollowable, open_archive, parse_pickle
from tiffin.inspection.tape import ARRAY, DTYPE, NAME, Node, items_of

from ._dtypes import SIZES, STORAGES

_MAX_MEMBERS = 100_000
_MAX_PICKLE = 256 << 20
_NOTES = re.compile(
    r"version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id|data/\d{1,9}|data\.pkl"
)
_KEY = re.compile(r"\d{1,9}")


def inspect(path: Path) -> Inspection:
    """Return what a file says, and the tape to build it from. Loads and imports nothing.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
    """
    tape = Tape()
    problems: list[str] = []
    try:
        with path.open("rb") as file, open_archive(file, _MAX_MEMBERS) as archive:
            members = _Members(archive, path.stat().st_size)
            parse_pickle(tape, members.read("data.pkl", _MAX_PICKLE), persistent=_Storages(tape, members))
    except Unfollowable as error:
        problems.append(f"The file cannot be followed: {error}")
    return Inspection("torch", tape.dotted(), tuple(problems), None if problems else tape)


class _Members:
    """The members of an archive, none of them compressed, and together no longer than the file."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive = archive
        entries = archive.infolist()
        self._entries = {entry.filename.partition("/")[2]: entry for entry in entries}
        if len(entries) != len(self._entries) or "data.pkl" not in self._entries:
            raise Unfollowable("it is no archive of torch.save's")
        others = [name for name in self._entries if not _NOTES.fullmatch(name)]
        if others:
            raise Unfollowable(f"it holds {others[0][:40]!r}, as archives of compiled programs do")
        if len({entry.filename.partition("/")[0] for entry in entries}) != 1:
            raise Unfollowable("it is no archive of torch.save's")
        if any(entry.compress_type for entry in entries) or sum(entry.file_size for entry in entries) > size:
            raise Unfollowable("it is packed otherwise than torch.save does")
        if "byteorder" in self._entries and bytes(self.read("byteorder", 100)) != b"little":
            raise Unfollowable("its numbers are of another order of bytes")

    def read(self, name: str, most: int | None = None) -> memoryview:
        """Return a member's content, in memory of its own: tensors may be written to."""
        entry = self._entries.get(name)
        if entry is None or (most is not None and entry.file_size > most):
            raise Unfollowable(f"its part {name!r} is missing or too long")
        with self._archive.open(entry) as file:
            return memoryview(bytearray(file.read()))


class _Storages:
    """What persistent ids stand for: a pair of the type of elements and of an array of bytes, one for each storage."""

    def __init__(self, tape: Tape, members: _Members) -> None:
        self._tape = tape
        self._members = members
        self._known: dict[str, tuple[str, Any]] = {}

    def __call__(self, identity: Any) -> Any:
        items = items_of(identity)
        if type(items) is not tuple or len(items) != 5 or items[0] != "storage":
            raise Unfollowable("it has a persistent id that is no storage")
        _, kind, key, location, count = items
        if type(key) is not str or not _KEY.fullmatch(key) or type(location) is not str or type(count) is not int:
            raise Unfollowable("it has a storage that torch.save does not write")
        dtype = _dtype_of(kind)
        if key not in self._known:
            view = self._members.read(f"data/{key}")
            self._tape.size += len(view)
            array = self._tape.make(
                ARRAY, view, (self._tape.make(DTYPE, InertDtype.from_text("|u1")), (len(view),), "C", False)
            )
            self._known[key] = dtype, self._tape.new_tuple((dtype, array))
            if len(view) != count * SIZES.get(dtype, 1):
                raise Unfollowable("it has a storage of another size than its bytes")
        known, operand = self._known[key]
        if known != dtype:
            raise Unfollowable("it takes one storage for two types of elements")
        return operand


def _dtype_of(kind: Any) -> str:
    if kind.__class__ is Node and kind.kind == NAME:
        module, name = kind.key
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return ""
    raise Unfollowable("it has a storage of an unknown class")

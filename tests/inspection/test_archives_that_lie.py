"""Zip archives of which Python's zipfile would make objects of many times their size, or that claim impossible places."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tiffin.inspection import InspectionLimits, Unfollowable, inspect_file, open_archive

MOST = InspectionLimits().max_members
END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s4B4HL2L5H2L")


def entry(name: bytes = b"", offset: int = 0, extra: bytes = b"", size: int = 0) -> bytes:
    """Return the entry of a stored member in the list of an archive."""
    fields = (b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, size, size, len(name), len(extra), 0, 0, 0, 0, offset)
    return ENTRY.pack(*fields) + name + extra


def archive(entries: list[bytes], comment: bytes = b"") -> bytes:
    """Return an archive of nothing but its list."""
    listed = b"".join(entries)
    claimed = min(len(entries), 65535)
    return (
        b"PK\x03\x04" + listed + END.pack(b"PK\x05\x06", 0, 0, claimed, claimed, len(listed), 4, len(comment)) + comment
    )


def test_more_members_than_may_be_are_counted_before_objects_are_made_of_them(tmp_path: Path) -> None:
    """A hundred thousand entries of 46 bytes would be 70 MB, and a gigabyte of them sixteen."""
    path = tmp_path / "many.pt"
    path.write_bytes(archive([entry()] * (MOST + 1)))
    tracemalloc.start()
    try:
        found = inspect_file(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * path.stat().st_size
    finally:
        tracemalloc.stop()
    assert f"more than {MOST} members" in found.problems[0]


@pytest.mark.parametrize("comment", [b"", b"x" * 65535])
def test_a_list_of_very_long_names_is_not_read(tmp_path: Path, comment: bytes) -> None:
    """However few they are: each name and each extra field is looked through."""
    path = tmp_path / "long.pt"
    path.write_bytes(archive([entry(b"a" * 65535)] * 513, comment))
    assert "very long names" in inspect_file(path).problems[0]


@pytest.mark.parametrize("offset", [1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_member_at_an_impossible_place_is_a_problem(tmp_path: Path, offset: int) -> None:
    """No error of another kind."""
    path = tmp_path / "far.pt"
    path.write_bytes(archive([entry(b"data.pkl", 0xFFFFFFFF, struct.pack("<HHQ", 1, 8, offset))]))
    assert "cannot be read" in inspect_file(path).problems[0]


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_members_that_say_other_sizes_than_they_have_are_a_problem(tmp_path: Path, size: int) -> None:
    """Each of many may lie, on its own."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as good:
        good.writestr("data.pkl", b"\x80\x04]q\x00.")
    lies = bytearray(stream.getvalue())
    at = lies.index(b"PK\x01\x02") + 20
    lies[at : at + 8] = struct.pack("<LL", size, size)
    path = tmp_path / "lies.pt"
    path.write_bytes(lies)
    assert "cannot be read" in inspect_file(path).problems[0] or "other sizes" in inspect_file(path).problems[0]


def test_an_archive_within_the_limits_is_opened(tmp_path: Path) -> None:
    """Whatever it holds after it was opened: what stands in a member is no entry of the list."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("a", b"PK\x01\x02" * 100)
    with open_archive(stream, 1) as opened:
        assert opened.read("a") == b"PK\x01\x02" * 100
    for empty in (archive([]), b"", b"PK\x05\x06"):
        with pytest.raises(Unfollowable), open_archive(io.BytesIO(empty), 1):
            pass


def test_what_zipfile_raises_of_a_member_is_a_refusal_too(tmp_path: Path) -> None:
    """While the archive is open."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("a", b"1234")
    damaged: Any = bytearray(stream.getvalue())
    damaged[damaged.index(b"1234")] = 0
    with pytest.raises(Unfollowable, match="BadZipFile"), open_archive(io.BytesIO(damaged), 1) as opened:
        opened.read("a")

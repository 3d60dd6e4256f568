"""Zip archives that no honest program writes: refused, the member named, the store unchanged."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tiffin.archives import Limits
from tiffin.exceptions import ArchiveError, DamagedArchiveError, UnsafeArchiveError


def pack(*members: tuple[Any, bytes], method: int = zipfile.ZIP_DEFLATED, seekable: bool = True) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target if seekable else _Pipe(target), "w", method) as archive:  # type: ignore[arg-type]
        for name, data in members:
            archive.writestr(name, data)
    return target.getvalue()


class _Pipe:
    def __init__(self, target: io.BytesIO) -> None:
        self.write, self.flush = target.write, target.flush


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize(
    "path", ["/x", "../x", "a/../x", "a//b", "a/./x", "C:/x", "a\nb", "x" * 256, "é/../../x", "a/./b"]
)
def test_paths_that_lead_elsewhere_are_refused(path: str, seekable: bool, record: Any, bring: Any) -> None:
    """Absolute, parent and unplain paths are refused by name."""
    with pytest.raises(UnsafeArchiveError) as caught:
        bring(pack(("model.yaml", record({})), (path, b"1"), seekable=seekable))
    assert caught.value.member == path


def test_backslashes_are_refused(record: Any, bring: Any) -> None:
    """Windows takes a backslash for a slash, so a path with one leads elsewhere there."""
    data = pack(("model.yaml", record({})), ("..#x", b"1")).replace(b"..#x", b"..\\x")
    with pytest.raises(UnsafeArchiveError, match="backslash") as caught:
        bring(data)
    assert caught.value.member == "..\\x"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR])
def test_special_files_are_refused(kind: int, record: Any, bring: Any) -> None:
    """Links and devices are marked in the list at the end, and are refused by name."""
    entry = zipfile.ZipInfo("a")
    entry.create_system = 3
    entry.external_attr = (kind | 0o644) << 16
    with pytest.raises(UnsafeArchiveError, match="special file") as caught:
        bring(pack(("model.yaml", record({"a": b"model.yaml"})), (entry, b"model.yaml")))
    assert caught.value.member == "a"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "A"), ("é", "e\u0301"), ("a", "a/b"), ("a/b", "a"), ("x/", "x")])
def test_names_that_collide_are_refused(names: tuple[str, str], record: Any, bring: Any) -> None:
    """One file twice, or two that are one on some systems, or a file and a folder."""
    files = {name: b"1" for name in names if not name.endswith("/")}
    members = [(name, b"" if name.endswith("/") else b"1") for name in names]
    with pytest.raises(UnsafeArchiveError, match=r"collides|twice") as caught:
        bring(pack(("model.yaml", record(files)), *members))
    assert caught.value.member == names[1]


def test_encrypted_files_and_unknown_methods_are_refused(record: Any, bring: Any) -> None:
    """What cannot be read is named, with the reason."""
    data = bytearray(pack(("a", b"1"), ("model.yaml", record({}))))
    data[6] |= 1
    with pytest.raises(UnsafeArchiveError, match="encrypted") as caught:
        bring(bytes(data))
    assert caught.value.member == "a"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(UnsafeArchiveError, match=f"method {method}"):
            bring(pack(("a", b"1"), ("model.yaml", record({})), method=method))


def test_a_folder_with_content_is_refused(record: Any, bring: Any) -> None:
    """A name that ends in a slash holds nothing."""
    with pytest.raises(UnsafeArchiveError, match="folder with content"):
        bring(pack(("model.yaml", record({})), ("a/", b"1")))


LOCAL = {
    "flags": 6,
    "method": 8,
    "time": 10,
    "date": 12,
    "checksum": 14,
    "packed": 18,
    "size": 22,
    "name": 30,
}
CENTRAL = {
    "flags": 8,
    "method": 10,
    "time": 12,
    "date": 14,
    "checksum": 16,
    "packed": 20,
    "size": 24,
    "offset": 42,
    "name": 46,
}


@pytest.mark.parametrize("field", LOCAL)
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_headers_that_lie_are_refused(field: str, method: int, record: Any, bring: Any) -> None:
    """A header before a file that says something else than the list at the end, or than the content."""
    data = bytearray(pack(("a", b"x" * 100), ("model.yaml", record({"a": b"x" * 100})), method=method))
    data[LOCAL[field]] ^= 2
    with pytest.raises(ArchiveError):
        bring(bytes(data))


@pytest.mark.parametrize("field", CENTRAL)
def test_lists_that_lie_are_refused(field: str, record: Any, bring: Any) -> None:
    """A list at the end that says something else than stands before the file."""
    data = bytearray(pack(("a", b"x" * 100), ("model.yaml", record({"a": b"x" * 100}))))
    data[data.index(b"PK\x01\x02") + CENTRAL[field]] ^= 2
    with pytest.raises(UnsafeArchiveError, match="something else") as caught:
        bring(bytes(data))
    assert caught.value.member == "a"


def test_files_that_overlap_are_refused(record: Any, bring: Any) -> None:
    """Many names in the list for one content (how a small zip holds petabytes) do not fit what stands before it."""
    data = pack(("model.yaml", record({"a": bytes(10_000)})), ("a", bytes(10_000)))
    at = data.rindex(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[at:end]
    copies = b"".join(entry[:46] + b"%c" % (98 + number) + entry[47:] for number in range(20))
    tail = struct.pack(
        "<IHHHHIIH",
        0x06054B50,
        0,
        0,
        22,
        22,
        end - data.index(b"PK\x01\x02") + len(copies),
        data.index(b"PK\x01\x02"),
        0,
    )
    with pytest.raises(DamagedArchiveError, match="neither a file nor its end"):
        bring(data[:end] + copies + tail)


def test_nothing_hides_between_before_or_behind(record: Any, bring: Any) -> None:
    """Bytes that belong to no file are refused wherever they stand; so is a comment."""
    data = pack(("model.yaml", record({})), ("d/", b""))
    assert bring(data).info.files == {}
    start = data.index(b"PK\x01\x02")
    for wrong in (
        b"MZ" + data,
        data[:start] + b"hidden" + data[start:],
        data + b"x",
        data + data,
        data[:-2] + b"\1\0x",
    ):
        with pytest.raises(ArchiveError):
            bring(wrong, force=True)


def test_a_zip_that_holds_itself_is_refused(bring: Any) -> None:
    """A quine is no model: its member is not listed, and nothing is ever unpacked within what was unpacked."""
    with pytest.raises(ArchiveError):
        bring(pack(("r/r.zip", pack(("r.zip", b"x")))))


def test_a_name_in_two_spellings_is_refused(record: Any, bring: Any) -> None:
    """An extra field that gives the file another name is what some tools would follow."""
    entry = zipfile.ZipInfo("a")
    name = b"../b"
    entry.extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(b"a")) + name
    with pytest.raises(UnsafeArchiveError, match="two names"):
        bring(pack(("model.yaml", record({"a": b"1"})), (entry, b"1")))


@pytest.mark.parametrize(
    "extra", [b"\x01", b"\x99\x99\xff\xff", b"\x01\x00\x00\x00" * 2, b"\x01\x00\x08\x00" + bytes(8)]
)
def test_extra_fields_that_are_none_are_refused(extra: bytes, record: Any, bring: Any) -> None:
    """Fields that are cut off, and sizes that are stated twice."""
    entry = zipfile.ZipInfo("a")
    entry.extra = extra
    with pytest.raises(ArchiveError, match="'a'"):
        bring(pack(("model.yaml", record({"a": b"1"})), (entry, b"1")))


@pytest.mark.parametrize("seekable", [True, False])
def test_bombs_are_refused(seekable: bool, record: Any, bring: Any) -> None:
    """By their ratio, by the size of all files, and by the size that the record states; each names the member."""
    bomb = pack(("model.yaml", record({"a": bytes(100)})), ("a", bytes(100 << 20)), seekable=seekable)
    with pytest.raises(UnsafeArchiveError, match="'a'"):
        bring(bomb)
    first = pack(("a", bytes(100 << 20)), ("model.yaml", record({"a": b""})), seekable=seekable)
    with pytest.raises(UnsafeArchiveError, match="max_ratio") as caught:
        bring(first, limits=Limits(max_ratio=100))
    assert caught.value.member == "a"
    with pytest.raises(UnsafeArchiveError, match=r"max_bytes|1000000 bytes") as caught:
        bring(first, limits=Limits(max_bytes=1_000_000))
    assert caught.value.member == "a"


def test_large_archives_in_the_wide_form_are_read(record: Any, bring: Any) -> None:
    """zip64, as programs write it that do not know the size before: sizes of 64 bits before and behind."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.yaml", record({"a": b"1"}))
        with archive.open(zipfile.ZipInfo("a"), "w", force_zip64=True) as file:
            file.write(b"1")
    assert bring(target.getvalue()).info.files.keys() == {"a"}
    piped = io.BytesIO()
    with zipfile.ZipFile(_Pipe(piped), "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("model.yaml", record({"a": b"1"}))
        entry = zipfile.ZipInfo("a")
        entry.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(entry, "w", force_zip64=True) as file:
            file.write(b"1")
    assert bring(piped.getvalue(), force=True).info.files.keys() == {"a"}


def test_many_files_in_the_wide_form_are_read(record: Any, bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wide form of the end, which zipfile writes from some number of files on."""
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    files = {f"f{number}": b"1" for number in range(5)}
    data = pack(("model.yaml", record(files)), *files.items())
    assert b"PK\x06\x06" in data
    assert bring(data).info.files.keys() == files.keys()
    for at in range(data.index(b"PK\x06\x06"), len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x10
        try:
            bring(bytes(broken), force=True)
        except ArchiveError:
            continue
        # Who wrote the end, and for whom, says nothing about the content.
        assert at - data.index(b"PK\x06\x06") in range(12, 16)


def test_folders_with_links_and_pipes_are_refused(record: Any, tmp_path: Path, other: Any) -> None:
    """A folder may hold what no archive may: refused by name, and never waited for."""
    from tiffin import models

    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.yaml").write_bytes(record({"sub/a": b"1"}))
    (folder / "sub" / "a").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeArchiveError, match="link") as caught:
        models.import_model(folder, store=other)
    assert caught.value.member == "sub/a"
    (folder / "sub" / "a").unlink()
    os.mkfifo(folder / "sub" / "a")
    with pytest.raises(UnsafeArchiveError, match="special file"):
        models.import_model(folder, store=other)
    (folder / "sub" / "a").unlink()
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to("/etc")
    with pytest.raises(UnsafeArchiveError, match="link") as caught:
        models.import_model(folder, store=other)
    assert caught.value.member == "sub"

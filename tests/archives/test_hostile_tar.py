"""Tar archives that no honest program writes: refused, the member named, the store unchanged."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from tiffin.archives import Limits
from tiffin.exceptions import ArchiveError, DamagedArchiveError, StoreError, TiffinError, UnsafeArchiveError

PATHS = [
    "/etc/passwd",
    "//etc/passwd",
    "../x",
    "..",
    "a/../../x",
    "a/..",
    "./../x",
    "a/./b",
    "a//b",
    ".//x",
    "..\\x",
    "a\\b",
    "\\\\server\\x",
    "C:x",
    "C:\\x",
    "c:/x",
    "a/\nb",
    "a\x7f",
    "a\x85b",
    "x" * 256,
    "/".join(["x" * 100] * 11),
    "model.yaml/x",
    "MODEL.YAML",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_elsewhere_are_refused(path: str, tar: Any, record: Any, bring: Any) -> None:
    """Absolute, parent and unplain paths in every spelling are refused by name, wherever they stand."""
    for members in (
        [("model.yaml", record({"a": b"1"})), (path, b"1")],
        [(path, b"1"), ("model.yaml", record({}))],
    ):
        with pytest.raises(UnsafeArchiveError) as caught:
            bring(tar(*members))
        if path != "model.yaml/x" or members[0][0] == "model.yaml":
            assert caught.value.member in (path, "model.yaml", path.removeprefix("./"))


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_hide_nothing(kind: int, tar: Any, record: Any, bring: Any) -> None:
    """A path that stands in an extra header keeps the same rules."""
    path = "a/" * 60 + "../" * 70 + "x"
    with pytest.raises(UnsafeArchiveError, match="leads outside"):
        bring(tar(("model.yaml", record({})), (path, b"1"), format=kind))


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
        (tarfile.CONTTYPE, "unknown kind"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
        (b"V", "unknown kind"),
        (b"D", "unknown kind"),
        (b"Z", "unknown kind"),
    ],
)
def test_special_files_are_refused(kind: bytes, what: str, tar: Any, record: Any, bring: Any) -> None:
    """Links, devices, pipes and sparse files are refused by name, whether or not the record lists them."""
    entry = special("a", kind, "model.yaml")
    with pytest.raises(UnsafeArchiveError, match=what) as caught:
        bring(tar(("model.yaml", record({"a": b""})), (entry, b"")))
    assert caught.value.member == "a"


def test_sparse_files_of_pax_are_refused(tar: Any, record: Any, bring: Any) -> None:
    """GNU.sparse in an extended header makes a file of zeros of any size of nothing."""
    entry = tarfile.TarInfo("a")
    entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 60)}
    with pytest.raises(UnsafeArchiveError, match="sparse"):
        bring(tar(("model.yaml", record({"a": b""})), (entry, b"")))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("a", "A"),
        ("straße", "STRASSE"),
        ("é", "e\u0301"),
        ("É", "e\u0301"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("x/a", "X/b"),
        ("model.yaml", "Model.yaml"),
        ("model.yaml", "model.yaml"),
    ],
)
def test_names_that_collide_are_refused(first: str, second: str, tar: Any, record: Any, bring: Any) -> None:
    """One file twice, or two that are one on systems that do not tell case or composed letters apart."""
    files = {first: b"1", second: b"1"}
    files.pop("model.yaml", None)
    members = [(name, record(files) if name == "model.yaml" else b"1") for name in (first, second)]
    if "model.yaml" not in (first, second):
        members = [("model.yaml", record(files)), *members]
    with pytest.raises(UnsafeArchiveError, match=r"collides|twice") as caught:
        bring(tar(*members))
    assert caught.value.member == second


def test_a_folder_and_a_file_of_one_name_are_refused(tar: Any, record: Any, bring: Any) -> None:
    """A folder entry takes the name from a file."""
    with pytest.raises(UnsafeArchiveError, match="collides"):
        bring(tar(("model.yaml", record({"a": b"1"})), (special("a", tarfile.DIRTYPE), b""), ("a", b"1")))


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_the_record_does_not_list_is_refused(first: bool, tar: Any, record: Any, bring: Any) -> None:
    """A stowaway is named, before and behind the record."""
    members = [("model.yaml", record({"a": b"1"})), ("a", b"1"), ("stowaway", b"x")]
    with pytest.raises(UnsafeArchiveError, match="does not list it") as caught:
        bring(tar(*(members if first else members[::-1])))
    assert caught.value.member == "stowaway"


def test_what_the_record_lists_must_come(tar: Any, record: Any, bring: Any) -> None:
    """A missing file, and a missing record, are damage and named."""
    with pytest.raises(DamagedArchiveError, match="missing") as caught:
        bring(tar(("model.yaml", record({"a": b"1", "b": b"2"})), ("a", b"1")))
    assert caught.value.member == "b"
    with pytest.raises(DamagedArchiveError, match=r"no model\.yaml"):
        bring(tar(("a", b"1")))
    with pytest.raises(DamagedArchiveError, match=r"no model\.yaml"):
        bring(tar((special("d", tarfile.DIRTYPE), b"")))


@pytest.mark.parametrize("data", [b"2", b"", b"11"])
def test_content_that_the_record_does_not_describe_is_refused(data: bytes, tar: Any, record: Any, bring: Any) -> None:
    """Other content, and other sizes than the record's, are told of the file."""
    for members in (
        [("model.yaml", record({"a": b"1"})), ("a", data)],
        [("a", data), ("model.yaml", record({"a": b"1"}))],
    ):
        with pytest.raises(ArchiveError, match="'a'") as caught:
            bring(tar(*members))
        assert caught.value.member == "a"


def test_a_size_that_lies_is_refused(tar: Any, record: Any, bring: Any) -> None:
    """A header that states more bytes than follow, or fewer, does not go unnoticed."""
    longer = special("a", tarfile.REGTYPE)
    longer.size = 600
    data = tar(("model.yaml", record({"a": b"x" * 600})), (longer, b"x" * 600))
    assert bring(data).info.files["a"].size == 600
    for size in (512, 599, 601, 1024, 1 << 33):
        with pytest.raises(ArchiveError):
            bring(reseal(data, b"a\0", size), force=True)


def reseal(data: bytes, name: bytes, size: int) -> bytes:
    at = data.index(name.ljust(100, b"\0"))
    header = bytearray(data[at : at + 512])
    header[124:136] = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:at] + bytes(header) + data[at + 512 :]


@pytest.mark.parametrize("size", [1 << 34, (1 << 88) - 1])
def test_a_size_beyond_all_limits_is_refused_before_it_is_read(size: int, tar: Any, record: Any, bring: Any) -> None:
    """A header may state sizes of any number of digits."""
    data = reseal(tar(("a", b"1"), ("model.yaml", record({}))), b"a\0", size)
    with pytest.raises(ArchiveError) as caught:
        bring(data, limits=Limits(max_bytes=1 << 30))
    assert caught.value.member == "a"


def test_limits_on_bytes_and_files(tar: Any, record: Any, bring: Any) -> None:
    """The member that is one too many is named, and the error says which limit can be set."""
    files = {f"f{number:02}": b"x" * 100 for number in range(20)}
    data = tar(("model.yaml", record(files)), *files.items())
    with pytest.raises(UnsafeArchiveError, match="max_files") as caught:
        bring(data, limits=Limits(max_files=10))
    assert caught.value.member == "f09"
    with pytest.raises(UnsafeArchiveError, match="max_bytes") as caught:
        bring(data, limits=Limits(max_bytes=4000))
    assert caught.value.member.startswith("f")
    assert bring(data).info.size == 2000


def test_floods_of_folders_and_headers_are_refused(tar: Any, record: Any, bring: Any) -> None:
    """What is no file counts too: a million folders, or extended headers, take memory as files do."""
    folders = [(special(f"d{number}", tarfile.DIRTYPE), b"") for number in range(50)]
    dots = [(special(".", tarfile.DIRTYPE), b"") for number in range(50)]
    globals_ = [(special("g", b"g"), b"11 comm=ab\n") for number in range(50)]
    for flood in (folders, dots, globals_):
        with pytest.raises(UnsafeArchiveError, match="max_files"):
            bring(tar(*flood, ("model.yaml", record({}))), limits=Limits(max_files=40))


def test_extended_headers_are_bounded(tar: Any, record: Any, bring: Any) -> None:
    """A header that would fill the memory, and chains of headers, are refused before they are read."""
    huge = special("x", b"x")
    huge.size = 2 << 20
    with pytest.raises(UnsafeArchiveError, match="header of 2097152 bytes"):
        bring(tar((huge, b"0" * huge.size), ("model.yaml", record({}))))
    for kind in (b"x", b"L"):
        chain = [(special("h", kind), b"11 comm=ab\n")] * 2
        with pytest.raises(UnsafeArchiveError, match="two headers"):
            bring(tar(*chain, ("model.yaml", record({}))))
        with pytest.raises(DamagedArchiveError, match="no file follows"):
            bring(tar(("model.yaml", record({})), chain[0]))


@pytest.mark.parametrize(
    "content",
    [
        b"8 path=a\n",
        b"999 path=a\n",
        b"x path=a\n",
        b"0 path=a\n",
        b"-1 path=a\n",
        b"10 path=ab",
        b"99999999999999999999 path=a\n",
        b"9 pathabc\n",
        b"12 path=\xff\xfe a\n",
        b"10 path=b\n10 path=c\n",
        b"11 size=-1\n",
        b"11 size=xx\n",
        b"8 size=\n",
        b"12 path=a\0b\n",
        b"12 path=../\n",
        b"12 path=/et\n",
    ],
)
def test_extended_headers_that_are_none_are_refused(content: bytes, tar: Any, record: Any, bring: Any) -> None:
    """Lengths, numbers and texts in extended headers are checked, and so is what they make of the path."""
    with pytest.raises(ArchiveError):
        bring(tar(("model.yaml", record({"a": b"1"})), (special("h", b"x"), content), ("q", b"1")))


def test_global_headers_cannot_rename_files(tar: Any, record: Any, bring: Any) -> None:
    """A global header with a path or size would hold for every file."""
    content = b"10 path=a\n"
    with pytest.raises(UnsafeArchiveError, match="all files"):
        bring(tar((special("g", b"g"), content), ("model.yaml", record({}))))


def test_a_second_archive_behind_the_end_is_refused(tar: Any, record: Any, bring: Any) -> None:
    """Tools that read on would see other files than Tiffin does."""
    one = tar(("model.yaml", record({})))
    with pytest.raises(DamagedArchiveError, match="more data follows"):
        bring(one + tar(("a", b"1")))
    with pytest.raises(DamagedArchiveError, match="more data follows"):
        bring(one + bytes(100_000) + b"1")
    for pack in (gzip.compress, lzma.compress):
        with pytest.raises(DamagedArchiveError, match="more data follows"):
            bring(pack(one) + pack(one))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_zeros_behind_the_end_are_bounded(pack: Callable[[bytes], bytes], tar: Any, record: Any, bring: Any) -> None:
    """Tapes end in zeros, but not in endless ones."""
    one = tar(("model.yaml", record({})))
    assert bring(pack(one + bytes(1 << 20))).info.files == {}
    with pytest.raises(DamagedArchiveError, match="more data follows"):
        bring(pack(one + bytes(20 << 20)), force=True)


def test_what_is_no_archive_is_refused(bring: Any) -> None:
    """Empty files, texts and other formats are not guessed at."""
    for data in (b"", b"x", b"hello" * 1000, bytes(512), bytes(100_000), b"\x7fELF" + bytes(600), b"ustar" * 200):
        with pytest.raises(DamagedArchiveError, match="not an archive"):
            bring(data)


RECORDS = {
    "nothing": b"",
    "no fields": b"- 1\n",
    "deep list": b"a: " + b"[" * 100_000,
    "deep block": b"- " * 100_000,
    "deep dict": b"{a: " * 100_000,
    "laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(12)),
    "itself": b"a: &a [*a]\n",
    "code": b"!!python/object/apply:os.system ['true']\n",
    "long number": b"a: " + b"1" * 100_000 + b"\n",
    "long time": b"a: " + b"1:" * 50_000 + b"1\n",
    "binary": bytes(range(256)),
    "unsealed": b"name: iris\nversion: v1\ncreation_time: 2026-01-01\n",
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_that_harm_their_reader_are_refused(name: str, tar: Any, bring: Any) -> None:
    """YAML that nests, refers to itself, names code or never ends is refused as what it is: no crash, no hour of work."""
    with pytest.raises(DamagedArchiveError) as caught:
        bring(tar(("model.yaml", RECORDS[name])))
    assert caught.value.member == "model.yaml"


def test_a_record_of_any_size_is_refused(tar: Any, bring: Any) -> None:
    """A record is read into memory, so it is bounded."""
    with pytest.raises(UnsafeArchiveError, match="longer than"):
        bring(tar(("model.yaml", b"#" * (17 << 20))))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "latest"},
        {"name": "latest"},
        {"name": "../x"},
        {"version": "a/b"},
        {"version": ""},
        {"files": {"model.yaml": None}},
        {"files": {"../x": None}},
    ],
)
def test_records_that_name_what_must_not_be_are_refused(
    changes: dict[str, Any], tar: Any, record: Any, bring: Any
) -> None:
    """A sealed record may still name a version `latest`, a name that is a path, or files elsewhere."""
    from tiffin.info import FileEntry

    if "files" in changes:
        changes = {"files": {path: FileEntry(1, "0" * 64) for path in changes["files"]}}
    with pytest.raises(TiffinError) as caught:
        bring(tar(("model.yaml", record({}, **changes))))
    assert not isinstance(caught.value, StoreError)


def test_a_record_changed_after_it_was_sealed_is_refused(tar: Any, record: Any, bring: Any) -> None:
    """Its own digest does not fit, or the content digest does not."""
    text = record({"a": b"1"})
    with pytest.raises(DamagedArchiveError, match="changed after") as caught:
        bring(tar(("model.yaml", text.replace(b"iris", b"rose")), ("a", b"1")))
    assert caught.value.member == "model.yaml"


def test_bombs_are_refused_by_their_ratio(record: Any, bring: Any) -> None:
    """Zeros in every compression: refused once they are more than 64 MiB and a thousand times the archive."""
    import attrs

    from tiffin.info import FileEntry, ModelInfo, render_record

    size = 200 << 20
    info = ModelInfo(name="iris", version="v1", files={"zeros": FileEntry(size, "0" * 64)})
    sealed = render_record(attrs.evolve(info, content_digest=info.compute_digest()))
    entry = tarfile.TarInfo("zeros")
    entry.size = size
    for pack in packers():
        target = io.BytesIO()
        with pack(target) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
            first = tarfile.TarInfo("model.yaml")
            first.size = len(sealed)
            archive.addfile(first, io.BytesIO(sealed))
            archive.addfile(entry, Zeros(size))
        with pytest.raises(UnsafeArchiveError, match="times its size") as caught:
            bring(target.getvalue(), limits=Limits(max_ratio=500))
        assert caught.value.member == "zeros"


class Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        count = min(self.left, size)
        self.left -= count
        return bytes(count)


def packers() -> list[Callable[[Any], Any]]:
    from inside.archives import zstd

    return [
        lambda target: gzip.GzipFile("", "wb", 9, target),
        lambda target: lzma.LZMAFile(target, "wb", preset=0),
        lambda target: zstd.ZstdFile(target, "wb"),
    ]


def test_archives_that_take_much_memory_to_unpack_are_refused(tar: Any, record: Any, bring: Any) -> None:
    """A window of a gigabyte of zstd, and a dictionary of 512 MiB of xz, are refused before they are filled."""
    from inside.archives import zstd

    data = tar(("model.yaml", record({})))
    big = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 128 << 20}]
    packed = bytearray(lzma.compress(data, filters=big))
    with pytest.raises(UnsafeArchiveError, match="memory"):
        bring(bytes(packed))
    # A frame of unknown size whose descriptor asks for a window of 1 GiB.
    with pytest.raises(UnsafeArchiveError, match="memory"):
        bring(b"\x28\xb5\x2f\xfd\x00" + bytes([20 << 3]) + b"\x01\x00\x00" + bytes(600))
    assert bring(lzma.compress(data, preset=6)).info.files == {}
    assert bring(zstd.compress(data, 19), force=True).info.files == {}


def test_errors_stay_short_and_printable(tar: Any, record: Any, bring: Any) -> None:
    """A member's name in an error cannot write to the terminal, or fill it."""
    with pytest.raises(UnsafeArchiveError) as caught:
        bring(tar(("model.yaml", record({})), ("a\x1b[31m" * 20, b"1")))
    assert "\x1b" not in str(caught.value)
    with pytest.raises(UnsafeArchiveError) as caught:
        bring(tar(("model.yaml", record({})), ("x" * 50_000, b"1")))
    assert len(str(caught.value)) < 1000

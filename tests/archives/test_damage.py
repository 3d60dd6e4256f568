"""Damage anywhere: an archive that is cut at any byte, or has a bit flipped in any byte, is refused, or is no other model.

A plain tar and a tar.xz are refused at every bit. In gzip, zip and zstd some bits say nothing about the content (the time in
a header, who wrote a zip, which of two equal places a repetition is copied from): with those flipped, what is unpacked is
the same to the byte, and that is what is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiffin import Model, models
from tiffin.archives import Limits, Reader
from tiffin.exceptions import ArchiveError, TiffinError
from tiffin.info import ModelInfo, read_foreign_record
from tiffin.store import ModelStore

KINDS = ["tar", "tiffin", "tar.gz", "tar.xz", "zip"]
WHOLE = ["tar", "tar.xz"]
"""Formats of which every byte is under a checksum."""
FILES = {"a": b"some content", "b/c": bytes(range(30))}

_cache: dict[str, bytes] = {}


@pytest.fixture
def archive(make: Callable[..., Model], tmp_path: Path) -> Callable[[str], bytes]:
    def archive(kind: str) -> bytes:
        if kind not in _cache:
            store = ModelStore(tmp_path / "store")
            model = make(store, FILES, f"iris:{kind.replace('.', '')}")
            _cache[kind] = Path(models.export_model(model, tmp_path / f"x.{kind}", kind, store=store)).read_bytes()
        return _cache[kind]

    return archive


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, size: int = -1) -> bytes:
        piece = self.data[self.at :] if size < 0 else self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece


def unpacked(data: bytes, **limits: Any) -> dict[str, bytes]:
    """Return the files of an archive, with the checks of an import and without a store: for many of them."""
    reader = Reader("x", Limits(**limits))
    found = {}
    for entry in reader.read(_Bytes(data)):
        content = b""
        while piece := entry.stream.read(1 << 20):
            content += piece
        found[entry.path] = content
    return found


def same_model(found: dict[str, bytes], kind: str) -> bool:
    return found == unpacked(_cache[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_at_any_byte_is_refused(kind: str, archive: Any) -> None:
    """No beginning of an archive passes for the whole."""
    data = archive(kind)
    for length in range(len(data)):
        with pytest.raises(ArchiveError):
            unpacked(data[:length])
    assert unpacked(data).keys() == {"model.yaml", *FILES}


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_with_more_at_its_end_is_refused(kind: str, archive: Any) -> None:
    """A byte more is not part of the archive. Only a tar may end in zeros, as tapes do."""
    for more in (b"x", b"\0"):
        if (kind, more) != ("tar", b"\0"):
            with pytest.raises(ArchiveError):
                unpacked(archive(kind) + more)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_with_any_bit_flipped_is_refused_or_the_same(kind: str, archive: Any) -> None:
    """Every bit of every byte: refused, or it is a field that says nothing about the content, and that is the same."""
    data = archive(kind)
    passed = set()
    for at in range(len(data)):
        # Every bit of a plain tar is 8 times its many bytes; there one checksum covers all bits of a header alike.
        for bit in range(8) if len(data) < 3000 else (at % 8,):
            broken = bytearray(data)
            broken[at] ^= 1 << bit
            try:
                found = unpacked(bytes(broken))
                read_foreign_record(found["model.yaml"], "x")
            except TiffinError:
                continue
            except KeyError:
                continue  # import says that there is no record
            if same_model(found, kind):
                passed.add(at)
                continue
            # The reader has no record to compare with; an import has.
            assert found.keys() == {"model.yaml", *FILES} or found["model.yaml"]
            assert not listed(found), f"a flip at byte {at} changed the content unnoticed"
    if kind in WHOLE:
        assert passed == set()


def listed(found: dict[str, bytes]) -> bool:
    import hashlib

    info = read_foreign_record(found.pop("model.yaml"), "x")
    return {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in found.items()} == {
        path: (entry.size, entry.sha256) for path, entry in info.files.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_of_damage_leaves_the_store_as_it_was(kind: str, archive: Any, bring: Any) -> None:
    """Through the whole of an import: cuts and flips here and there."""
    data = archive(kind)
    for at in range(3, len(data), max(1, len(data) // 25)):
        with pytest.raises(ArchiveError):
            bring(data[:at])
        try:
            model = bring(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :], name=f"iris:v{at}")
        except ArchiveError:
            continue
        assert kind not in WHOLE
        assert {path: (model.path / path).read_bytes() for path in model.info.files} == FILES


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def survives(data: bytes) -> None:
    """Unpack hostile bytes: an error, if there is one, is Tiffin's; without one, the limits were kept."""
    try:
        found = unpacked(data, max_bytes=1 << 20, max_files=100)
    except ArchiveError:
        return
    assert len(found) <= 100
    assert sum(map(len, found.values())) <= 1 << 20


@FUZZ
@given(kind=st.sampled_from(KINDS), edits=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=20))
def test_mutated_archives_raise_only_tiffins_errors(kind: str, edits: list[tuple[int, int]], archive: Any) -> None:
    """Bytes replaced anywhere."""
    data = bytearray(archive(kind))
    for at, value in edits:
        data[at % len(data)] = value
    survives(bytes(data))


@FUZZ
@given(kind=st.sampled_from(KINDS), cuts=st.lists(st.tuples(st.integers(0), st.integers(0, 600)), max_size=6))
def test_shuffled_archives_raise_only_tiffins_errors(kind: str, cuts: list[tuple[int, int]], archive: Any) -> None:
    """Pieces moved, repeated and left out."""
    data = archive(kind)
    parts = [data[at % len(data) :][:size] for at, size in cuts]
    survives(data[:600] + b"".join(parts) + data[600:])
    survives(b"".join(parts))


@FUZZ
@given(
    start=st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9", b""]),
    rest=st.binary(),
)
def test_arbitrary_bytes_raise_only_tiffins_errors(start: bytes, rest: bytes) -> None:
    """Anything behind the first bytes of any format."""
    survives(start + rest)


@FUZZ
@given(
    kind=st.sampled_from([b"0", b"5", b"x", b"g", b"L", b"K", b"S", b"1", b"\0"]),
    name=st.binary(max_size=100),
    size=st.one_of(st.integers(0, 2000), st.integers(0, 1 << 80)),
    rest=st.binary(max_size=1200),
    repeat=st.integers(1, 4),
)
def test_arbitrary_tar_headers_raise_only_tiffins_errors(
    kind: bytes, name: bytes, size: int, rest: bytes, repeat: int
) -> None:
    """Headers whose checksum is right, and nothing else need be."""
    header = bytearray(512)
    header[: len(name)] = name
    header[124:136] = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    survives((bytes(header) + rest + bytes(-len(rest) % 512)) * repeat + bytes(1024))


@FUZZ
@given(
    fields=st.lists(st.integers(0, 0xFFFF), min_size=13, max_size=13),
    name=st.binary(max_size=20),
    rest=st.binary(max_size=300),
)
def test_arbitrary_zip_headers_raise_only_tiffins_errors(fields: list[int], name: bytes, rest: bytes) -> None:
    """Headers of any fields before any content."""
    import struct

    header = struct.pack("<4s11HHH", b"PK\x03\x04", *fields[:11], len(name), fields[12] % 40)
    survives(header + name + rest)


@FUZZ
@given(text=st.one_of(st.binary(), st.text("[]{}:,-&*a1\n !'\"|>?%@", max_size=200).map(str.encode)))
def test_arbitrary_records_raise_only_tiffins_errors(text: bytes) -> None:
    """Any bytes, and any YAML, as a record."""
    try:
        info = read_foreign_record(text, "x")
    except TiffinError:
        return
    assert isinstance(info, ModelInfo)

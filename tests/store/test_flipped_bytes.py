"""One flipped bit in any file of the store is found and named by verify, and harms no other model."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from pathlib import Path

import numpy
import pytest
from store_states import mark_of, problems, save

from tiffin.exceptions import EditedRecordWarning, RecordError, StoreFormatError
from tiffin.store import ModelStore
from tiffin.store.verifying import verify

LARGE = 200_000


@pytest.fixture
def filled(store: ModelStore) -> ModelStore:
    """Give a store with a model of several files, an alias, and a model that nothing happens to."""
    store.save(
        "hit:1",
        {"mark": 1, "array": numpy.full(LARGE, 1), **{f"b{n}": numpy.full(50_000, n) for n in range(5)}},
        custom_objects={"twin": {"array": numpy.full(LARGE, 2)}},
        labels={"stage": "test"},
        metadata={"score": 0.5},
    )
    store.set_alias("hit:1", "prod")
    save(store, "other:1", 2)
    return store


def flip(path: Path, at: int) -> None:
    """Flip a bit of a byte; the file keeps its times and its inode, as with a fault of the disk."""
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    times = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def others_work(store: ModelStore) -> None:
    fresh = ModelStore(store.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "other:1" in {str(model.tag) for model in fresh.list()}
        assert mark_of(fresh.get("other:1").load()) == 2
        save(fresh, "fresh:1", 3)
        fresh.delete("fresh:1")


FILES = [
    "model.pkl",
    "model.buffers.json",
    "model.packed.buffer",
    "model.0.buffer",
    "custom_objects/twin/model.pkl",
    "custom_objects/twin/model.0.buffer",
]


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_in_a_models_file_is_named(filled: ModelStore, file: str) -> None:
    """The file and the blob, which are one, are named; the blob is moved aside, so that no later save takes it."""
    path = filled.get("hit:1").path_of(file)
    flip(path, path.stat().st_size // 2)
    found = verify(filled)
    assert {problem.path for problem in found} == {
        str(path),
        filled.layout.blob(filled.get("hit:1").info.files[file].sha256),
    }
    assert {problem.state for problem in found} == {"damaged"}
    assert found[0].tag == "hit:1"
    assert found[0].what == "The file's content is not what was saved"
    assert [problem.path for problem in verify(filled)] == [str(path)]
    others_work(filled)


def test_a_save_of_the_same_content_after_verify_is_good(filled: ModelStore) -> None:
    """What verify moved aside is not shared again."""
    array = numpy.full(LARGE, 1)
    path = filled.get("hit:1").path_of("model.0.buffer")
    flip(path, 100)
    verify(filled)
    filled.save("again:1", {"array": array})
    assert (filled.get("again:1").load()["array"] == array).all()
    assert verify(filled, "again:1") == []


def test_a_flipped_bit_in_a_blob_that_no_version_links_to_is_named(filled: ModelStore) -> None:
    """A blob that is a file of its own, as in a copied store, is checked too."""
    blob = Path(filled.layout.blob(filled.get("hit:1").info.files["model.pkl"].sha256))
    copy = blob.with_suffix(".copy")
    shutil.copy(blob, copy)
    copy.replace(blob)
    flip(blob, 3)
    (found,) = verify(filled)
    assert (found.path, found.state) == (str(blob), "damaged")
    assert "no later save will use it" in found.what
    others_work(filled)


def test_a_flipped_bit_anywhere_in_a_record_is_named(filled: ModelStore) -> None:
    """Every byte of model.yaml is covered: what is still a record shows as edited, what is none as damaged."""
    path = filled.get("hit:1").path / "model.yaml"
    good = path.read_bytes()
    for at in range(0, len(good), 7):
        flip(path, at)
        store = ModelStore(filled.path)
        found = problems(store)
        assert found, (at, good[at])
        assert {problem.path for problem in found} <= {str(path), str(path.parent)} | {
            problem.path for problem in found if problem.state in ("damaged", "foreign")
        }
        assert any(problem.path == str(path) for problem in found), (at, found)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert "other:1" in {str(model.tag) for model in store.list()}
        path.write_bytes(good)
    others_work(filled)


def test_a_flipped_bit_in_what_loading_depends_on_makes_load_refuse(filled: ModelStore) -> None:
    """A record whose content digest does not fit is not loaded by; a label's flipped bit is warned of."""
    path = filled.get("hit:1").path / "model.yaml"
    good = path.read_bytes()
    path.write_bytes(re.sub(rb"(sha256: )[0-9a-f]{8}", rb"\g<1>00000000", good, count=1))
    with pytest.raises(RecordError, match="edited by hand or damaged in what loading depends on"):
        ModelStore(filled.path).get("hit:1").load()
    path.write_bytes(good.replace(b"stage: test", b"stage: tent"))
    with pytest.warns(EditedRecordWarning, match="tiffin models verify hit:1 --accept"):
        ModelStore(filled.path).get("hit:1").load()


def test_a_flipped_bit_in_an_alias_is_named(filled: ModelStore) -> None:
    """An alias that became unreadable, or means a version that is not there, is reported and means nothing."""
    path = Path(filled.layout.aliases, "hit", "prod")
    for content in (b"1\n", b"5\n", b"\xb1\n", b"", b"Q\n"):
        path.write_bytes(content)
        found = verify(filled)
        assert [problem.path for problem in found] == ([] if content == b"1\n" else [str(path)]), content
    assert filled.aliases("hit") == {}
    others_work(filled)


def test_a_flipped_bit_in_an_origin_is_named_and_mended_by_a_save(filled: ModelStore) -> None:
    """Every byte of an origin record is covered by its own digest."""
    model = filled.get("hit:1")
    path = Path(filled.layout.origins, model.info.content_digest.removeprefix("sha256:"))
    good = path.read_bytes()
    for at in range(len(good.strip())):
        flip(path, at)
        assert [problem.path for problem in verify(filled, "hit:1")] == [str(path)], at
        path.write_bytes(good)
    flip(path, 20)
    others_work(filled)
    filled.save("hit:2", model.load(), custom_objects=dict(model.custom_objects))
    assert filled.get("hit:2").info.content_digest == model.info.content_digest
    assert verify(filled) == []


def test_a_flipped_bit_in_the_format_version_is_refused_by_name(filled: ModelStore) -> None:
    """Whatever the byte becomes, the store is not taken for one of another layout."""
    path = Path(filled.layout.format)
    for bit in range(8):
        path.write_bytes(bytes([ord("1") ^ (1 << bit)]) + b"\n")
        with pytest.raises(StoreFormatError) as caught:
            verify(ModelStore(filled.path))
        assert caught.value.path == str(path)
    path.unlink()
    assert [(problem.path, problem.state) for problem in verify(ModelStore(filled.path))] == [(str(path), "missing")]
    save(ModelStore(filled.path), "new:1", 1)
    assert path.read_text() == "1\n"


def test_a_flipped_bit_anywhere_in_the_catalog_never_changes_a_record(filled: ModelStore) -> None:
    """A model's record is right whatever happened to the catalog, and after verify so are the lists."""
    expected = [(str(m.tag), m.labels, m.size, m.creation_time, m.framework) for m in filled.list()]
    infos = {str(m.tag): m.info for m in ModelStore(filled.path).list()}
    filled.finder.catalog._read("PRAGMA wal_checkpoint(TRUNCATE)")
    filled.finder.catalog.close()
    path = Path(filled.layout.catalog)
    good = path.read_bytes()
    used = [at for at in range(len(good)) if good[at]]
    named = 0
    for at in used[:: max(1, len(used) // 150)]:
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(good)
        flip(path, at)
        store = ModelStore(filled.path)
        for tag, info in infos.items():
            assert store.get(tag).info == info
        found = verify(store)
        assert all((problem.path, problem.state) == (str(path), "repaired") for problem in found)
        named += bool(found)
        assert [(str(m.tag), m.labels, m.size, m.creation_time, m.framework) for m in store.list()] == expected
        store.finder.catalog.close()
    assert named > 0


def test_a_damaged_file_is_described_by_what_is_wrong_with_it(filled: ModelStore) -> None:
    """Size, absence, links and files that are too many are told apart."""
    path = filled.get("hit:1").path
    (path / "model.0.buffer").unlink()
    (path / "model.pkl").chmod(0o644)
    (path / "model.pkl").write_bytes(b"short")
    (path / "model.packed.buffer").unlink()
    (path / "model.packed.buffer").symlink_to("/dev/zero")
    (path / "more").symlink_to("/etc")
    (path / "more.txt").write_text("more")
    found = {Path(problem.path).name: problem.what for problem in verify(filled) if problem.tag == "hit:1"}
    assert found["model.0.buffer"] == "The file is missing"
    assert re.fullmatch(r"The file has 5 bytes; \d+ were saved", found["model.pkl"])
    assert found["model.packed.buffer"] == "It is not a file"
    assert found["more"] == found["more.txt"] == "The record does not list this file"

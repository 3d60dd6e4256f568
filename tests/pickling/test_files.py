"""What happens to the files: mapping, damage, digests, several writers."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inside.pickling import _index as _layout
from inside.pickling import _map, _write
from tiffin import pickling
from tiffin.exceptions import PicklingError
from tiffin.files import collecting, digest_file

LARGE = _layout.OWN_FILE


@pytest.fixture
def model() -> dict[str, Any]:
    """A model with something in the stream, in the pack, and in files of its own."""
    generator = np.random.default_rng(0)
    return {
        "large": [generator.random(LARGE // 4), generator.random(LARGE // 8)],
        "small": [generator.random(5000) for _ in range(50)],
        "text": "hello",
    }


@pytest.fixture
def saved(model: dict[str, Any], tmp_path: Path) -> Path:
    pickling.dump(model, tmp_path)
    return tmp_path


def assert_equal(left: dict[str, Any], right: dict[str, Any]) -> None:
    for key in ("large", "small"):
        for one, other in zip(left[key], right[key], strict=True):
            assert np.array_equal(one, other)
    assert left["text"] == right["text"]


def test_writing_to_loaded_arrays_leaves_the_files_alone(saved: Path, model: dict[str, Any]) -> None:
    """Mapped arrays are copied when written to: neither the file nor another load sees the change."""
    before = {path: path.read_bytes() for path in saved.iterdir()}
    first, second = pickling.load(saved), pickling.load(saved)
    for each in (*first["large"], *first["small"]):
        each[:] = -1
    assert {path: path.read_bytes() for path in saved.iterdir()} == before
    assert_equal(second, model)


def test_loaded_arrays_outlive_the_files(saved: Path, model: dict[str, Any]) -> None:
    """A model may be deleted while programs use it."""
    loaded = pickling.load(saved)
    shutil.rmtree(saved)
    assert_equal(loaded, model)


def test_files_without_write_permission_load(saved: Path, model: dict[str, Any]) -> None:
    """A store's files are read-only; the arrays are writable all the same."""
    for path in saved.iterdir():
        path.chmod(0o444)
    loaded = pickling.load(saved)
    loaded["large"][0][0] = 7
    assert loaded["large"][0].flags.writeable


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a mapping holds a descriptor until Python 3.13")
def test_loaded_models_hold_no_descriptors(saved: Path) -> None:
    """A program may hold more mapped arrays than it may open files."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    loaded = [pickling.load(saved) for _ in range(10)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(loaded) == 10


def test_loading_works_where_ctypes_is_missing(
    saved: Path, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ctypes files are mapped the plain way."""
    monkeypatch.setattr(_map, "_system_mmap", lambda: None)
    assert_equal(pickling.load(saved), model)


def test_memory_of_dropped_models_is_given_back(tmp_path: Path) -> None:
    """When the last array goes, its mapping goes."""
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    pickling.dump(np.zeros(LARGE), tmp_path)
    loaded = pickling.load(tmp_path)
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    del loaded
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("change", ["truncated", "longer", "empty", "missing"])
@pytest.mark.parametrize("file", ["model.pkl", "model.0.buffer", "model.packed.buffer"])
def test_a_file_of_the_wrong_size_is_refused_by_name(saved: Path, file: str, change: str) -> None:
    """A damaged file raises an error that names it; it is never mapped, where touching it would kill the process."""
    path = saved / file
    content = path.read_bytes()
    match change:
        case "truncated":
            path.write_bytes(content[:-1])
        case "longer":
            path.write_bytes(content + b"x")
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()
    with pytest.raises(PicklingError, match=file.replace(".", r"\.")) as caught:
        pickling.load(saved)
    assert caught.value.path == str(path)  # type: ignore[attr-defined]


@pytest.mark.parametrize("keep", [0, 1, 2, 20, 60, 90, -1])
def test_a_truncated_stream_is_refused(tmp_path: Path, keep: int) -> None:
    """A stream that ends early raises an error with the cause chained, wherever it ends."""
    pickling.dump({"a": np.arange(5.0), "b": ["x"] * 5}, tmp_path)
    path = tmp_path / "model.pkl"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PicklingError, match=r"model\.pkl.* is damaged") as caught:
        pickling.load(tmp_path)
    assert caught.value.__cause__ is not None


def test_a_lost_index_is_reported(saved: Path) -> None:
    """Without its index a stream with buffers outside cannot be loaded, and says so."""
    (saved / "model.buffers.json").unlink()
    with pytest.raises(PicklingError, match=r"model\.pkl' is damaged.*buffers"):
        pickling.load(saved)


def test_a_newer_format_is_refused(saved: Path) -> None:
    """An index of a later format version is refused with both numbers, not guessed at."""
    edit_index(saved, lambda record: record.update(format=2))
    with pytest.raises(PicklingError, match=r"format version 2\. This Tiffin reads version 1\. Upgrade"):
        pickling.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("format"),
        lambda record: record.pop("files"),
        lambda record: record.pop("stream"),
        lambda record: record.update(buffers=7),
        lambda record: record["buffers"].append([0, 0]),
        lambda record: record["buffers"].append([99, 0, 1]),
        lambda record: record["buffers"].append([0, 1, record["files"][0][1]]),
        lambda record: record["buffers"].append([0, -1, 1]),
        lambda record: record["buffers"].append([0, 0.0, 1]),
        lambda record: record["files"].append(["../../etc/passwd", 10]),
        lambda record: record["files"].append(["/etc/passwd", 10]),
        lambda record: record["files"].append([None, 10]),
        lambda record: record["files"].append(["other.0.buffer", 10]),
    ],
)
def test_an_index_that_makes_no_sense_is_refused(saved: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """An index with missing or impossible entries, or that points outside of the model, raises an error naming it."""
    edit_index(saved, change)
    with pytest.raises(PicklingError, match=r"model\.buffers\.json' is damaged"):
        pickling.load(saved)


@pytest.mark.parametrize("apart", [False, True])
def test_an_index_of_more_files_than_can_be_mapped_is_refused(
    saved: Path, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process has some ten thousand mappings, which seventy thousand small files use up: that is told as damage."""
    real, left = _map._map, 2

    def mapped(descriptor: int, size: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return real(descriptor, size)

    for number in range(7, 10):
        (saved / f"model.{number}.buffer").write_bytes(b"a")
    edit_index(saved, lambda record: record["files"].extend([f"model.{number}.buffer", 1] for number in range(7, 10)))
    monkeypatch.setattr(_map, "_map", mapped)
    with pytest.raises(PicklingError, match=r"model\.buffers\.json' is damaged.*cannot be mapped"):
        pickling.map_buffers(saved, "model", (saved / "model.pkl").stat().st_size, apart=apart)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b" " * (64 << 20) + b"{}"])
def test_an_index_that_is_no_json_is_refused(saved: Path, content: bytes) -> None:
    """Whatever lies in the index's place, however deep or long, the error names it."""
    (saved / "model.buffers.json").write_bytes(content)
    with pytest.raises(PicklingError, match=r"model\.buffers\.json' is damaged"):
        pickling.load(saved)


def edit_index(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "model.buffers.json"
    record = json.loads(path.read_bytes())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("damaged", range(0, 200, 7))
def test_a_flipped_byte_never_raises_anything_but_a_pickling_error(tmp_path: Path, damaged: int) -> None:
    """A damaged stream loads as something or raises our error, never another one."""
    pickling.dump({"a": np.arange(5.0), "b": ["x"] * 5, "c": (1, 2.5, None)}, tmp_path)
    path = tmp_path / "model.pkl"
    content = bytearray(path.read_bytes())
    content[damaged % len(content)] ^= 0x41
    path.write_bytes(content)
    with contextlib.suppress(PicklingError):
        pickling.load(tmp_path)


def test_every_file_is_reported_with_its_digest_as_synced(model: dict[str, Any], tmp_path: Path) -> None:
    """Whoever collects digests need not read the files again, nor sync them."""
    with collecting() as ledger:
        pickling.dump(model, tmp_path)
    for path in tmp_path.iterdir():
        entry = ledger.lookup(path)
        assert entry == digest_file(path)._replace(synced=True)


@pytest.mark.parametrize("sizes", [[40], [40, 1, 1], [8, 8, 8, 8], [5], [3, 2, 1, 1, 1]])
def test_digests_are_right_however_the_work_is_shared(sizes: list[int], tmp_path: Path) -> None:
    """Whether a file has two threads or shares one, its content and digest are right."""
    model = [np.random.default_rng(size).integers(0, 255, (size << 20) + size, np.uint8) for size in sizes]
    with collecting() as ledger:
        pickling.dump(model, tmp_path)
    for number, each in enumerate(model):
        entry = ledger.lookup(tmp_path / f"model.{number}.buffer")
        assert entry is not None
        assert entry.sha256 == hashlib.sha256(each.tobytes()).hexdigest()
    assert all(np.array_equal(one, other) for one, other in zip(model, pickling.load(tmp_path), strict=True))


def test_a_large_stream_is_written_and_hashed_in_pieces(tmp_path: Path) -> None:
    """A pickle without arrays, longer than any buffer, is written whole."""
    model = {"text": [f"{number}" * 3 for number in range(300_000)], "bytes": b"x" * (9 << 20)}
    with collecting() as ledger:
        pickling.dump(model, tmp_path)
    path = tmp_path / "model.pkl"
    assert ledger.lookup(path) == digest_file(path)._replace(synced=True)
    assert pickling.load(tmp_path) == model


def test_the_digest_is_the_files_even_if_the_array_changes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training thread that goes on writing must not make the ledger lie about what is in the file."""
    weights = np.zeros(16 * LARGE, np.uint8)
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        weights[:] += 1
        written = real(descriptor, data)
        weights[:] += 1
        return written

    monkeypatch.setattr(_write.os, "write", write)
    with collecting() as ledger:
        pickling.dump([weights, weights[:LARGE].copy()], tmp_path)
    for path in tmp_path.iterdir():
        assert ledger.lookup(path) == digest_file(path)._replace(synced=True)


def test_threads_may_save_at_once(model: dict[str, Any], tmp_path: Path) -> None:
    """Several threads save into one folder under names of their own, each collecting its own digests."""

    def save(number: int) -> int:
        with collecting() as ledger:
            pickling.dump({**model, "text": str(number)}, tmp_path, name=f"m{number}")
        return sum(ledger.lookup(path) is not None for path in tmp_path.glob(f"m{number}.*"))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(save, range(8))) == {5}
    for number in range(8):
        assert_equal(pickling.load(tmp_path, name=f"m{number}"), {**model, "text": str(number)})


def test_a_pickle_is_never_overwritten(saved: Path, model: dict[str, Any]) -> None:
    """Programs may have mapped the files: a second dump under the name is refused, and changes nothing."""
    before = {path: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(PicklingError, match="already holds a pickle named 'model'"):
        pickling.dump([1], saved)
    assert {path: path.read_bytes() for path in saved.iterdir()} == before


def test_a_leftover_buffer_is_not_overwritten_and_nothing_is_left_behind(model: dict[str, Any], tmp_path: Path) -> None:
    """If any one of the files exists, the others are removed again and that one is left alone."""
    (tmp_path / "model.1.buffer").write_bytes(b"mine")
    with pytest.raises(PicklingError, match="already holds"):
        pickling.dump(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.1.buffer"]
    assert (tmp_path / "model.1.buffer").read_bytes() == b"mine"


@pytest.mark.parametrize("sizes", [[40], [2, 2, 2]])
def test_a_full_disk_is_an_os_error_and_leaves_nothing_behind(
    sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk says reaches the caller, from whichever thread; half-written files are removed."""
    real, written = os.write, []

    def write(descriptor: int, data: Any) -> int:
        written.append(len(data))
        if sum(written) > 3 << 20:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(_write.os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        pickling.dump([np.ones(size << 20, np.uint8) for size in sizes], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_pickle_is_reported(tmp_path: Path) -> None:
    """Loading what was never saved names the file that is not there."""
    with pytest.raises(PicklingError, match=r"other\.pkl' is missing. The folder holds no pickle named 'other'"):
        pickling.load(tmp_path, name="other")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a.", "ä", "a b", None])
def test_names_that_are_no_file_names_are_refused(name: Any, tmp_path: Path) -> None:
    """The name cannot lead out of the folder."""
    for work in (lambda: pickling.dump(1, tmp_path, name=name), lambda: pickling.load(tmp_path, name=name)):
        with pytest.raises(PicklingError, match="cannot name a pickle"):
            work()


def test_only_the_declared_files_run_code(saved: Path) -> None:
    """Adapters declare the files that run code by CODE_FILES: the stream, and no buffer."""
    running = {path.name for pattern in pickling.CODE_FILES for path in saved.glob(pattern)}
    assert running == {"model.pkl"}

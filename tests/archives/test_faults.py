"""Programs killed, disks full, memory short: a move happens whole or leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from process_support import like_ours
from tiffin import Model, models
from tiffin.archives import FORMATS
from tiffin.exceptions import ArchiveError, StorageFullError, TiffinError
from tiffin.store import ModelStore

MIB = 1 << 20


@pytest.fixture
def large(store: ModelStore, make: Callable[..., Model]) -> Model:
    return make(store, {f"part{number}": os.urandom(3 * MIB) for number in range(3)}, "large:v1")


@pytest.mark.parametrize("kind", ["tar", "zip", "folder"])
def test_a_full_disk_stops_an_export_without_a_trace(
    kind: str, large: Model, store: ModelStore, small_disk: Path
) -> None:
    """The error says that no space is left and where, and the target's folder is empty."""
    with pytest.raises(StorageFullError, match="No space is left") as caught:
        models.export_model(large, small_disk / "x", kind, store=store)
    assert str(small_disk) in caught.value.path
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_stops_an_import_without_a_trace(
    kind: str, large: Model, store: ModelStore, small_disk: Path, tmp_path: Path
) -> None:
    """Nothing is published, nothing is left in staging, and a smaller model still fits."""
    written = models.export_model(large, tmp_path / "x", kind, store=store)
    crowded = ModelStore(small_disk / "store")
    with pytest.raises(StorageFullError, match="No space is left"):
        models.import_model(written, store=crowded)
    assert models.list(store=crowded) == []
    assert list((crowded.path / "staging").iterdir()) == []
    with models.create("tiny:v1", store=crowded) as new:
        (new.path / "x").write_bytes(b"1")
    assert models.verify(store=crowded) == []


SCRIPT = """
import os, signal, sys
from tiffin import models
from tiffin.store import ModelStore

class Kill:
    moved = 0
    def start(self, what, total): pass
    def advance(self, count):
        self.moved += count
        if self.moved > int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "export":
    models.export_model("large:v1", sys.argv[4], store=ModelStore(sys.argv[3]), progress=Kill())
else:
    models.import_model(sys.argv[4], store=ModelStore(sys.argv[3]), progress=Kill())
"""


def killed(*arguments: object) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize("moved", [0, 4 * MIB, 9 * MIB - 1])
def test_an_export_that_is_killed_leaves_nothing(moved: int, large: Model, store: ModelStore, tmp_path: Path) -> None:
    """Kill -9 leaves no file under any name: until it is whole, the archive has none."""
    target = tmp_path / "target"
    target.mkdir()
    killed(moved, "export", store.path, target / "x.tar")
    assert list(target.iterdir()) == []
    models.export_model(large, target / "x.tar", store=store)


@pytest.mark.parametrize("moved", [0, 4 * MIB, 9 * MIB - 1])
def test_an_import_that_is_killed_leaves_no_model(
    moved: int, large: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Kill -9 publishes nothing; what it staged is swept by the next change."""
    written = models.export_model(large, tmp_path / "x.tar", store=store)
    killed(moved, "import", other.path, written)
    assert models.list(store=other) == []
    assert list((other.path / "staging").iterdir())
    assert models.import_model(written, store=other).info.files == large.info.files
    assert list((other.path / "staging").iterdir()) == []
    assert models.verify(store=other) == []


def test_an_import_that_is_interrupted_leaves_nothing(
    large: Model, store: ModelStore, other: ModelStore, tmp_path: Path
) -> None:
    """Ctrl+C midway: staging is empty, and no thread is left."""
    import threading

    class Interrupt:
        def start(self, what: str, total: int | None) -> None:
            pass

        def advance(self, count: int) -> None:
            raise KeyboardInterrupt

    written = models.export_model(large, tmp_path / "x.tar", store=store)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        models.import_model(written, progress=Interrupt(), store=other)
    assert list((other.path / "staging").iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        models.export_model(large, tmp_path / "y.tar", progress=Interrupt(), store=store)
    assert not (tmp_path / "y.tar").exists()
    assert threading.active_count() == threads


MEASURE = """
import sys
from tiffin import models
from tiffin.store import ModelStore
import fsspec
from inside.archives import _codecs

def memory(what):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what)) << 10

before = memory("VmRSS")
if sys.argv[1] == "export":
    models.export_model("large:v1", sys.argv[3], sys.argv[4], store=ModelStore(sys.argv[2]), force=True)
else:
    models.import_model(sys.argv[3], store=ModelStore(sys.argv[2]))
print(memory("VmHWM") - before)
"""


def measured(*arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)], capture_output=True, check=False, env=like_ours()
    )
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_is_bounded_for_a_model_of_a_gigabyte(tmp_path: Path) -> None:
    """Export and import take at most 64 MiB above idle, in the formats that are quick enough to try with so much."""
    store = ModelStore(tmp_path / "store")
    with models.create("large:v1", store=store) as new, (new.path / "weights").open("wb") as file:
        for _ in range(16):
            file.write(os.urandom(16 * MIB) + bytes(48 * MIB))
    used = {}
    for kind in ("tar", "tiffin"):
        used[f"export {kind}"] = measured("export", store.path, tmp_path / "x", kind)
        used[f"import {kind}"] = measured("import", tmp_path / f"other-{kind}", tmp_path / "x")
        (tmp_path / "x").unlink()
    print({what: f"{size / MIB:.0f} MiB" for what, size in used.items()})
    assert max(used.values()) <= 64 * MIB, used


@pytest.mark.slow
def test_memory_is_bounded_in_every_format(tmp_path: Path, store: ModelStore) -> None:
    """The slower formats, and what was packed with the largest window that is accepted."""
    import lzma

    with models.create("large:v1", store=store) as new:
        (new.path / "weights").write_bytes(os.urandom(24 * MIB) + bytes(72 * MIB))
    used = {}
    for kind in ("tar.gz", "tar.xz", "zip"):
        used[f"export {kind}"] = measured("export", store.path, tmp_path / kind, kind)
        used[f"import {kind}"] = measured("import", tmp_path / f"other-{kind}", tmp_path / kind)
    models.export_model("large:v1", tmp_path / "x.tar", store=store)
    packed = lzma.compress(
        (tmp_path / "x.tar").read_bytes(), filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 32 * MIB}]
    )
    (tmp_path / "hard.tar.xz").write_bytes(packed)
    used["import of xz -8"] = measured("import", tmp_path / "other-hard", tmp_path / "hard.tar.xz")
    print({what: f"{size / MIB:.0f} MiB" for what, size in used.items()})
    assert max(used.values()) <= 64 * MIB, used


def test_a_folder_without_permission_is_told(large: Model, store: ModelStore, tmp_path: Path) -> None:
    """A target that cannot be, or that must not be replaced, is an error of Tiffin."""
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "file" / "x.tar", "/proc/x.tar", "/dev/null"):
        with pytest.raises(TiffinError):
            models.export_model(large, target, "tar", force=True, store=store)
    assert Path("/dev/null").is_char_device()


def test_sources_that_cannot_be_read_are_told(other: ModelStore, tmp_path: Path) -> None:
    """What is missing, a scheme that no driver has, and a driver that is not installed."""
    with pytest.raises(ArchiveError, match="not there"):
        models.import_model(tmp_path / "nowhere.tiffin", store=other)
    with pytest.raises(ArchiveError, match="Protocol not known"):
        models.import_model("nosuch://x/y", store=other)
    script = """
import sys
for name in ("s3fs", "gcsfs", "adlfs", "paramiko", "webdav4", "webdav4.fsspec", "aiohttp"):
    sys.modules[name] = None
from tiffin import models
for scheme in ("s3", "gs", "az", "sftp", "webdav", "https"):
    try:
        models.import_model(f"{scheme}://user:hidden@host/x.tiffin")
    except Exception as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    for line, extra in zip(lines, ("s3", "gcs", "azure", "sftp", "webdav", "http"), strict=True):
        assert line.startswith("ArchiveError"), line
        assert f"pip install 'tiffin[{extra}]'" in line
        assert "hidden" not in line


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/x", "s3://bucket/x"),
        ("ftp://user:pw@host/x", "ftp://user:***@host/x"),
        ("ftp://user:p@w@host/x@y", "ftp://user:***@host/x@y"),
        ("simplecache::sftp://u:p@host/x", "simplecache::sftp://u:***@host/x"),
        ("https://host/x.tiffin?signature=abc", "https://host/x.tiffin?…"),
        ("/a/b@c:d", "/a/b@c:d"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    """Messages, and the origin that a store records, hold no password and no signature."""
    from tiffin.places import redact

    assert redact(url) == shown


def test_names_of_targets(model: Model, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a path that ends in a slash, an ending, a format: what the archive is called, and which format it has."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    cases: list[tuple[Any, str | None, str]] = [
        (".", None, "./iris-v1.tiffin"),
        ("there", None, "there/iris-v1.tiffin"),
        ("there/", None, "there/iris-v1.tiffin"),
        ("there", "zip", "there/iris-v1.zip"),
        ("there", "folder", "there/iris-v1"),
        ("x.tgz", None, "x.tgz"),
        ("x", None, "x"),
        ("iris-1.0", None, "iris-1.0"),
        (".hidden", None, ".hidden"),
        ("x.dat", ".tar.gz", "x.dat"),
        ("memory://bucket/deep/", None, "memory://bucket/deep/iris-v1.tiffin"),
    ]
    for path, kind, expected in cases:
        assert models.export_model(model, path, kind, force=True, store=store) == expected
    assert (tmp_path / "x.tgz").read_bytes()[:2] == b"\x1f\x8b"
    assert (
        models.export_model(model, "bucket", protocol="memory", subpath="a/x.tar", store=store)
        == "memory://bucket/a/x.tar"
    )
    assert models.import_model("bucket", protocol="memory", subpath="a/x.tar", name="b", store=store).version == "v1"
    for path, kind, why in (
        ("x.tar.bz2", None, "no format that is written"),
        ("x.tarr", None, r"ends in '\.tarr', which is no format.*Did you mean '\.tar'\?"),
        ("memory://x.tiffn?y", None, r"ends in '\.tiffn'.*Did you mean '\.tiffin'\?"),
        ("x.dat", None, "output_format="),
        ("x", "rar", "not a format"),
        ("memory://x", "folder", "push"),
    ):
        with pytest.raises(ArchiveError, match=why):
            models.export_model(model, path, kind, store=store)
    with pytest.raises(ArchiveError, match="exists already"):
        models.export_model(model, "x.tgz", store=store)
    with pytest.raises(ArchiveError, match="exists already"):
        models.export_model(model, "there", "folder", store=store)


def test_a_folder_is_replaced_by_force(model: Model, store: ModelStore, tmp_path: Path) -> None:
    """What was in it is gone, and nothing lies beside it."""
    target = tmp_path / "exports" / "iris-v1"
    target.mkdir(parents=True)
    (target / "old").write_bytes(b"")
    models.export_model(model, target.parent, "folder", force=True, store=store)
    assert sorted(path.name for path in target.iterdir()) == ["model.yaml", "notes.txt", "parts", "weights.bin"]
    assert list(target.parent.iterdir()) == [target]

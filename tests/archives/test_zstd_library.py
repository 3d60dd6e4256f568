"""Archives have the same bytes whichever other zstd library the process has loaded, as TensorFlow's is."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inside.archives import _zstd_library, open_writer, zstd
from process_support import like_ours
from tiffin.exceptions import ArchiveError

# What a library without threads answers of every parameter: from 0 to 0.
STUB = """
#include <stddef.h>
typedef struct { size_t error; int lower; int upper; } bounds;
bounds ZSTD_cParam_getBounds(int parameter) { bounds none = {0, 0, 0}; return none; }
"""
PROGRAM = """
import ctypes, hashlib, io, os, sys
ctypes.CDLL(sys.argv[1], os.RTLD_GLOBAL | os.RTLD_NOW)
from inside.archives import open_writer, zstd
assert zstd.CompressionParameter.nb_workers.bounds() == (0, 0)
target = io.BytesIO()
for _ in range(2):
    target = io.BytesIO()
    with open_writer(target, "zst") as writer:
        for start in range(0, 5_000_000, 700_000):
            writer.write(bytes(range(256)) * 2735)
print(hashlib.sha256(target.getvalue()).hexdigest())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there do libraries take each other's functions")
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_another_librarys_functions_are_not_used(tmp_path: Path) -> None:
    """The export works, and writes what it writes in any process."""
    (tmp_path / "stub.c").write_text(STUB, encoding="utf-8")
    stub = tmp_path / "stub.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", stub, tmp_path / "stub.c"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, stub], capture_output=True, text=True, check=False, env=like_ours()
    )
    assert done.returncode == 0, done.stderr
    target = io.BytesIO()
    with open_writer(target, "zst") as writer:
        for _ in range(0, 5_000_000, 700_000):
            writer.write(bytes(range(256)) * 2735)
    assert done.stdout.strip() == hashlib.sha256(target.getvalue()).hexdigest()
    assert zstd.decompress(target.getvalue()) == bytes(range(256)) * 2735 * 8


def test_a_process_without_any_way_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong and what to do, instead of other bytes."""

    class Parameter:
        class nb_workers:
            @staticmethod
            def bounds() -> tuple[int, int]:
                return 0, 0

    def fail() -> None:
        raise OSError("no room")

    monkeypatch.setattr(_zstd_library.zstd, "CompressionParameter", Parameter)
    monkeypatch.setattr(_zstd_library, "_own_copy", fail)
    with pytest.raises(ArchiveError, match=r"zstd cannot compress with threads.*no room.*other bytes.*as \.tar\.gz"):
        _zstd_library.make_compressor({100: 3})

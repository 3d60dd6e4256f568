"""A zstd compressor that is bound to functions of its own library.

Python's extension module exports the functions of the library inside it, and finds them by name. If a package has loaded a
library for all to see that has functions of these names too, built without threads, those are called: no compressor has
workers then, and without workers the bytes would be others. What is bound stays so for the life of the process; so a copy
of the extension is loaded, which looks at itself first.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

from tiffin.exceptions import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def make_compressor(options: Mapping[Any, int]) -> Any:
    """Return a compressor with these parameters, of which `nb_workers` is one.

    Raises:
        ArchiveError: no compressor of this process can have workers.
    """
    plain = {int(key): value for key, value in options.items()}
    if zstd.CompressionParameter.nb_workers.bounds()[1] > 0:
        return zstd.ZstdCompressor(options=plain)
    try:
        return _own_copy().ZstdCompressor(options=plain)
    except (AttributeError, ImportError, OSError, ValueError) as error:
        raise ArchiveError(
            f"zstd cannot compress with threads in this process: {error}",
            why="Another library took the place of its functions, and without threads the archive would have other bytes",
            fix="Export in a process that has not imported that library, or as .tar.gz or .tar.xz",
        ) from error


@lru_cache(maxsize=1)
def _own_copy() -> ModuleType:
    name = "_zstd" if sys.version_info >= (3, 14) else "backports.zstd._zstd"
    extension = sys.modules[name]
    before = sys.getdlopenflags()
    with tempfile.TemporaryDirectory() as folder:
        # A file that is loaded already is not loaded once more.
        path = shutil.copy(str(extension.__file__), folder)
        sys.setdlopenflags(before | os.RTLD_DEEPBIND)
        try:
            spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, path))
            assert spec is not None
            assert spec.loader is not None
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
        finally:
            sys.setdlopenflags(before)
    return module

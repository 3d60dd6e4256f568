"""Workers run classes that no import finds: of a file that was loaded by its path, or run by `runpy`."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from tiffin.runners import Runner

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")

SOURCE = """
import functools
from tiffin.runners import Runnable

OFFSET = 40

@functools.cache
def shifted(x):
    return x + OFFSET

class Shift(Runnable):
    @Runnable.method
    def shift(self, x):
        return shifted(x)
"""


def by_path(file: Path) -> Any:
    """Load the file as a module of a name that no import finds."""
    spec = importlib.util.spec_from_file_location("shift_by_path", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Shift


def by_runpy(file: Path) -> Any:
    """Run the file as a script of another name."""
    return runpy.run_path(str(file))["Shift"]


@pytest.mark.parametrize("load", [by_path, by_runpy])
def test_a_class_of_a_file_that_no_import_finds_runs_in_a_worker(load: Any, tmp_path: Path) -> None:
    """It goes there by value, with what it uses; the file may be gone."""
    file = tmp_path / "shift.py"
    file.write_text(SOURCE)
    kind = load(file)
    file.unlink()
    try:
        with Runner(kind, backend="process") as runner:
            assert runner.shift.run(2) == 42
    finally:
        sys.modules.pop("shift_by_path", None)

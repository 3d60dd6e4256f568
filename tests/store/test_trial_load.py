"""`trial_load=True`: what a clean process cannot load is not published."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import tiffin
from tiffin.exceptions import PicklingError

MODULE = "class Scaler:\n    def __call__(self, value):\n        return 2 * value\n"


@pytest.fixture
def own_module(module_here: Any) -> Any:
    """Return a module that only this process can import."""
    return module_here("module_of_trial", MODULE)


def test_what_another_program_cannot_load_is_not_published(own_module: Any, table: Any) -> None:
    """The error names what is missing there; without the trial it is saved."""
    broken = {"scaler": own_module.Scaler()}
    with pytest.raises(PicklingError, match=r"cannot be loaded in a clean process: .*module_of_trial"):
        tiffin.save("x", table, custom_objects=broken, trial_load=True)
    assert tiffin.models.list() == []
    tiffin.save("x", table, custom_objects=broken)


def test_what_loads_is_published(own_module: Any, table: Any) -> None:
    """The adapter of the running program goes along, and modules by value are in the pickle."""
    saved = tiffin.save(
        "x", table, custom_objects={"s": own_module.Scaler()}, external_modules=[own_module], trial_load=True
    )
    assert tiffin.get("x").tag == saved.tag


def test_a_process_that_dies_is_a_refusal(table: Any) -> None:
    """Whatever ends the trial, the error says how."""

    class Dies:
        def __reduce__(self) -> Any:
            import os

            return os._exit, (7,)

    with pytest.raises(PicklingError, match="ended with code 7"):
        tiffin.save("x", table, custom_objects={"d": Dies()}, trial_load=True)
    assert subprocess.call([sys.executable, "-c", ""]) == 0

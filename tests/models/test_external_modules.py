"""`external_modules`: classes and functions of a user's own modules travel with the model."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import tiffin
from tiffin.exceptions import PicklingError

MODULE = """
FACTOR = 3
def triple(value):
    return helper(value)
def helper(value):
    return FACTOR * value
class Scaler:
    def __call__(self, value):
        return triple(value) + 1
"""


@pytest.fixture
def own_module(module_here: Any) -> Any:
    """Return a module that only this process can import."""
    return module_here("mylib_of_test", MODULE)


LOAD = """
import sys, tiffin
found = tiffin.get("x").custom_objects["scaler"](5)
assert "mylib_of_test" not in sys.modules
print(found)
"""


def test_objects_of_external_modules_load_where_the_module_is_not(own_module: Any, table: Any) -> None:
    """By value: the code is in the file."""
    tiffin.save("x", table, custom_objects={"scaler": own_module.Scaler()}, external_modules=[own_module])
    result = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=False)
    assert result.stdout == "16\n", result.stderr


def test_without_it_they_are_stored_by_name(own_module: Any, table: Any) -> None:
    """And the loading process has to have the module; nothing stays registered from a save before."""
    tiffin.save("y", table, custom_objects={"scaler": own_module.Scaler()}, external_modules=[own_module])
    tiffin.save("x", table, custom_objects={"scaler": own_module.Scaler()})
    result = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "mylib_of_test" in result.stderr


def test_what_is_no_module_is_refused(table: Any) -> None:
    """With what to write; nothing is saved."""
    with pytest.raises(PicklingError, match="must come as a list"):
        tiffin.save("x", table, external_modules=sys)  # type: ignore[arg-type]
    with pytest.raises(PicklingError, match="not a module"):
        tiffin.save("x", table, external_modules=[object()])  # type: ignore[list-item]
    assert tiffin.models.list() == []

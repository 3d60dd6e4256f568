"""A toy framework, and a store of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiffin
from scaling import ROWS, Scale, ScaleAdapter
from tiffin import Model
from tiffin.plugins import Registry


@pytest.fixture(autouse=True)
def adapter(fresh_registry: Registry, store_home: Path) -> ScaleAdapter:
    """Register the adapter of the toy framework."""
    made = ScaleAdapter()
    tiffin.register(made, "scale")
    return made


@pytest.fixture
def saved() -> Model:
    """Return a version with examples."""
    return tiffin.save("scale:1", Scale(3.0), examples=ROWS)

"""What is taken from inside `tiffin.plugins`."""

from __future__ import annotations

import pytest

from tiffin.plugins import Registry, _discovery, _registry
from tiffin.plugins._claims import claims, nearest

__all__ = [
    "claims",
    "nearest",
    "use",
    "without_packages",
]


def use(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a registry the process's own."""
    monkeypatch.setattr(_registry, "_registry", registry)


def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no installed package be found."""
    monkeypatch.setattr(_discovery, "installed", lambda: {"tiffin": {}, "tiffin.plugins": {}})

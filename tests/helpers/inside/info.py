"""What is taken from inside `tiffin.info`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tiffin.info import _context
from tiffin.info._plain import same

__all__ = [
    "have_installed",
    "same",
]


def have_installed(versions: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exactly these distributions be installed, as far as contexts are concerned."""
    monkeypatch.setattr(_context, "installed_version", versions.get)

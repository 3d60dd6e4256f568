"""The command line. Commands hold no logic that the Python API lacks."""

from __future__ import annotations

from tiffin.cli._main import cli, main

__all__ = ["cli", "main"]

"""The reference implementation of OpenSSF model signing, in an environment of its own (.tools/model-signing).

Tests compare Tiffin's signatures with it; it shares no package with Tiffin. Run as a program, this makes the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from environment import install, uv
from workspace import ROOT

FOLDER = ROOT / ".tools" / "model-signing"
PACKAGES = ["model-signing==1.1.1", "pyOpenSSL"]  # it does not import without the second


def program() -> Path | None:
    """Return the path of `model_signing`, `None` where the environment is not there."""
    path = FOLDER / "bin" / "model_signing"
    return path if path.exists() and (FOLDER / "complete").exists() else None


def make() -> Path:
    """Make the environment, unless it is there; return the path of `model_signing`."""
    if program() is None:
        venv.create(FOLDER, clear=True, with_pip=uv() is None)
        install(FOLDER / "bin" / "python", *PACKAGES)
        (FOLDER / "complete").touch()
    made = program()
    assert made is not None
    return made


def run(*arguments: str | os.PathLike[str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `model_signing`; its output is text."""
    return subprocess.run([make(), *arguments], capture_output=True, text=True, check=check, timeout=120)


if __name__ == "__main__":
    print(make())
    sys.exit(0)

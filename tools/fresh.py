"""Fresh virtual environments, in which tests install what the workspace builds."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

from workspace import normalized


def run(command: list[str | os.PathLike[str]], folder: Path, **settings: str) -> str:
    """Run a program in `folder`, without the checkout on its path; return its output, fail with all it said."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env | settings)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


class Environment:
    """A fresh virtual environment, in which only what the workspace builds and locks can be installed."""

    def __init__(self, folder: Path, sources: list[Path]) -> None:
        self.folder, self.sources = folder, sources
        venv.create(folder, with_pip=True)

    @property
    def pip_settings(self) -> dict[str, str]:
        """The settings with which pip takes everything from the folders given, and nothing from the machine's index."""
        return {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": " ".join(map(str, self.sources)),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def install(self, *names: str) -> None:
        """Install as a user would, except that all comes from the folders given."""
        self.run("-m", "pip", "install", "-q", *names, **self.pip_settings)

    def distributions(self) -> set[str]:
        """Return the names of what is installed, without what the environment was made with."""
        listed = json.loads(self.run("-m", "pip", "list", "--format=json", PIP_DISABLE_PIP_VERSION_CHECK="1"))
        return {normalized(entry["name"]) for entry in listed} - {"pip", "setuptools"}

    def run(self, *arguments: str, **settings: str) -> str:
        """Run this environment's Python in the environment's folder."""
        return run([self.folder / "bin" / "python", *arguments], self.folder, **settings)

"""Settings of every test of the workspace."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workspace import ROOT, heavy

HEAVY = [ROOT / "plugins" / name for name in heavy()]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the heavy plugins out where slow tests are not wanted: to collect their tests is to import their frameworks."""
    return True if config.option.markexpr == "not slow" and collection_path in HEAVY else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count all tests of heavy plugins as slow."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in HEAVY):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _no_test_sees_the_home_of_whoever_runs_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point TIFFIN_HOME and the cache at empty folders, also for the programs that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIFFIN_HOME", str(tmp_path_factory.mktemp("tiffin-home")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in [name for name in os.environ if name.startswith("TIFFIN_") and name != "TIFFIN_HOME"]:
            patch.delenv(name)
        yield


@pytest.fixture
def store_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty TIFFIN_HOME."""
    home = tmp_path / "tiffin-home"
    monkeypatch.setenv("TIFFIN_HOME", str(home))
    return home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], str]:
    """Run a program as `__main__` of another process, and return its output; fail with all it said."""

    def run(program: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(program), encoding="utf-8")
        command = [sys.executable, str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run

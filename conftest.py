"""Settings of every test of the workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_test_sees_the_home_of_whoever_runs_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point TIFFIN_HOME and the cache at empty folders, also for the programs that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIFFIN_HOME", str(tmp_path_factory.mktemp("tiffin-home")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in [name for name in os.environ if name.startswith("TIFFIN_") and name != "TIFFIN_HOME"]:
            patch.delenv(name)
        yield

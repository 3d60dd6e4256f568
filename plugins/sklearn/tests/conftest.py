"""A store of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _own_store(store_home: Path) -> None:
    """Each test has a store of its own."""


@pytest.fixture(scope="session")
def made() -> Callable[[bytes], Any]:
    """Return a function that builds a stranger's pickle; it raises Unfollowable where that is refused."""
    from tiffin.building import build, judge
    from tiffin.inspection import Tape, Unfollowable, parse_pickle
    from tiffin.trust import lists

    def made(data: bytes) -> Any:
        tape = Tape()
        parse_pickle(tape, memoryview(bytearray(data)))
        refused, problems = judge(tape, lists())
        if refused or problems:
            raise Unfollowable(f"{refused} {problems}")
        return build(tape, lists())

    return made

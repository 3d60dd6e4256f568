"""Strangers that send anything: afterwards an honest client is answered, and the runner holds nothing of theirs."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def test_no_stranger_takes_a_runner_from_the_others() -> None:
    """Some of those that `tools/fuzz_protocol.py` sends for as long as one likes."""
    import fuzz_protocol

    counts, faults = fuzz_protocol.run(seed=1, seconds=60, most=200)
    assert not faults, faults
    assert counts["honest visits"] >= 5
    assert counts["strangers"] == 200

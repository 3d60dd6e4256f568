"""A short soak: everything at once, at random, and nothing is wrong, hangs or stays."""

from __future__ import annotations

import os

import pytest

import soak

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


@pytest.mark.slow
def test_nothing_that_happens_to_a_runner_makes_an_answer_wrong_or_leaves_anything() -> None:
    """Two clients call in every way while workers and the host are killed, drained, handed over and moved about."""
    figures = soak.soak(10.0, clients=2, seed=7)
    assert figures["wrong"] == []
    assert figures["calls"]["answers"] > 100
    assert figures["happened"]["kill"] + figures["happened"]["swap"] > 0

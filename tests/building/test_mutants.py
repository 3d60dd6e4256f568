"""Mutated streams: what is built of them is what their own reader makes, no more: a short run of the fuzzer."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("tiffin_sklearn")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="mutants are built in children")
def test_mutants_are_refused_or_built_as_their_reader_would() -> None:
    """Two thousand of them, in children with bounded memory: no difference, no error of another kind, no crash."""
    import fuzz_building

    counts, faults = fuzz_building.run(seed=1, seconds=120, most=2000)
    assert not faults, faults
    assert counts["built, and equal"] > 50, counts
    assert "sklearn" in sys.modules

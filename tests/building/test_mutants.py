"""Mutated streams: what is built of them is what their own reader makes, no more: a short run of the fuzzer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="mutants answer in children")
def test_what_is_built_of_forged_estimators_answers_without_a_crash() -> None:
    """Some seconds of the fuzzer of predictions, over models of which compiled code follows what they hold."""
    program = Path(__file__).parents[2] / "tools/fuzz_predictions.py"
    names = (
        "forest",
        "boosting",
        "histogram",
        "vectors",
        "neighbours",
        "clusters",
        "columns",
        "texts",
        "splines",
        "labels",
    )
    only = [word for name in names for word in ("--only", name)]
    command = [sys.executable, str(program), "--seed", "1", "--seconds", "8", *only]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"'answered': \d{2,}", result.stdout), result.stdout


@pytest.mark.slow
def test_the_page_states_the_shares_that_are_so() -> None:
    """All models are built right, those that must not be are refused, and the table of the page is what was counted."""
    pytest.importorskip("skops")
    import building_coverage

    assert building_coverage.main([]) == 0

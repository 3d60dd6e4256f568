"""How near two answers are: what is equal, close and different, and how far apart that is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.examples import Nearness, compare, pack, read_tolerances, unpack_inert, worst
from tiffin.exceptions import ExamplesError

FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)


@pytest.mark.parametrize(
    "value",
    [
        np.array([1.0, np.nan, np.inf]),
        np.array(["a", "bc"]),
        np.array(["a", None, float("nan")], object),
        np.array(["2020-01-01", "NaT"], "M8[D]"),
        np.array([(1, 0.5)], [("id", "i4"), ("score", "f8")]),
        np.array([1 + 2j, complex("nan")]),
        {"labels": ["a", "b"], "scores": [0.1, float("nan")], "more": (1, None, True, b"x")},
        np.float32(0.1),
        3,
    ],
    ids=repr,
)
def test_an_answer_is_equal_to_itself(value: Any) -> None:
    """NaN and missing times equal themselves, in every form that is kept."""
    inert = unpack_inert(pack(value, "x"))
    assert compare(inert, unpack_inert(pack(value, "x"))) == Nearness("equal")


@pytest.mark.parametrize(
    ("recorded", "found", "where"),
    [
        (np.array([1, 2]), np.array([1, 3]), "[1]"),
        (np.array([1, 2]), np.array([1.0, 2.0]), ""),
        (np.array([1.0]), np.array([1.0], "f4"), ""),
        (np.zeros((2, 1)), np.zeros((1, 2)), ""),
        (np.array(["a", "b"]), np.array(["a", "c"]), "[1]"),
        (np.array([0.5, np.nan]), np.array([0.5, 0.0]), "[1]"),
        (np.array([0.5, np.inf]), np.array([0.5, 1e300]), "[1]"),
        (np.array([[1.0, 2.0]]), np.array([[1.0, 2.1]]), "[0, 1]"),
        (np.array([(1, 0.5)], "i4,f8"), np.array([(1, 0.6)], "i4,f8"), "['f1'][0]"),
        ({"a": [1.0]}, {"a": [2.0]}, "['a'][0]"),
        ({"a": 1}, {"b": 1}, ""),
        ([1, 2], [1, 2, 3], ""),
        ([1, 2], (1, 2), ""),
        (1, True, ""),
        (None, 0, ""),
        (1e-8, 2e-8, ""),
    ],
)
def test_what_is_different_is_found_with_its_place(recorded: Any, found: Any, where: str) -> None:
    """Values, types, dtypes, shapes, lengths and keys; small numbers as well as large ones."""
    for one, other in ((recorded, found), (found, recorded)):
        nearness = compare(unpack_inert(pack(one, "x")), unpack_inert(pack(other, "x")))
        assert (nearness.verdict, nearness.where) == ("different", where)
        assert nearness.recorded != nearness.found


def test_close_is_told_in_ulps_and_relative() -> None:
    """The furthest apart counts, and its place is told."""
    recorded = np.array([1.0, -1.0, 4.0])
    found = np.array([1.0, np.nextafter(np.nextafter(-1.0, 0), 0), np.nextafter(4.0, 5)])
    nearness = compare(recorded, found)
    assert (nearness.verdict, nearness.ulps, nearness.where) == ("close", 2, "[1]")
    assert nearness.relative == pytest.approx(2.2e-16, rel=0.01)
    assert compare(np.float32([1]), np.float32([1 + 2**-20])).ulps == 8
    assert compare(np.array([5e-324, 1]), np.array([-5e-324, 1])).ulps == 2


def test_each_kind_of_number_has_its_tolerance() -> None:
    """The same distance is close for one and different for another; a user may say otherwise."""
    for kind, verdict in (("f2", "close"), ("f4", "different"), ("f8", "different"), ("c8", "different")):
        assert compare(np.array([2.0], kind), np.array([2.0 + 2**-8], kind)).verdict == verdict
    assert compare(np.array([1.0]), np.array([1.01]), read_tolerances({"float64": 0.1})).verdict == "close"
    assert compare(1.0, 1.0 + 1e-14, read_tolerances({"float64": 0})).verdict == "close"  # but rounding
    assert compare(1.0, 1.0 + 1e-10, read_tolerances({"float64": 0})).verdict == "different"


@pytest.mark.parametrize("given", [{"int64": 1}, {"float32": -1}, {"float32": math.nan}, {"float32": "1"}])
def test_a_tolerance_that_means_nothing_is_refused(given: Any) -> None:
    """A misspelled kind would silently have no effect."""
    with pytest.raises(ExamplesError, match="is no tolerance"):
        read_tolerances(given)


def test_rounding_near_zero_is_close() -> None:
    """A sum that cancels has the rounding of its terms: that is measured by the answer's largest number."""
    assert compare(np.array([1.0, 1e-17]), np.array([1.0, -3e-17])).verdict == "close"
    assert compare(np.array([1.0, 1e-10]), np.array([1.0, 2e-10])).verdict == "different"


@given(st.lists(FLOATS, min_size=1, max_size=5), st.lists(FLOATS, min_size=1, max_size=5))
def test_equal_is_exactly_what_numpy_calls_equal(one: list[float], other: list[float]) -> None:
    """No changed float passes as equal, and none that is the same is flagged, whichever is the recorded one."""
    first, second = np.array(one), np.array(other)
    verdict = compare(first, second).verdict
    assert (verdict == "equal") == (first.shape == second.shape and np.array_equal(first, second, equal_nan=True))
    assert compare(second, first).verdict == verdict


def test_the_worst_verdict_counts() -> None:
    """Equal only where all are."""
    assert (worst([]), worst(["equal", "close"]), worst(["close", "different", "equal"])) == (
        "equal",
        "close",
        "different",
    )

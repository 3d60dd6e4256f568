"""The keys of a pickled dict are found without loading it, or said not to be."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiffin.inspection import pickled_keys


class Runs:
    """Makes a folder when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.fixture
def keys(tmp_path: Path) -> Any:
    """Return the keys of what these bytes hold."""

    def keys(data: bytes) -> tuple[str, ...] | None:
        (tmp_path / "x.pkl").write_bytes(data)
        return pickled_keys(tmp_path / "x.pkl")

    return keys


@pytest.mark.parametrize("protocol", range(2, 6))
def test_the_keys_of_a_dict_are_found_in_their_order(protocol: int, keys: Any, tmp_path: Path) -> None:
    """With values of any kind, dicts among them; nothing is run."""
    value = {"a": {"inner": 1}, "b": np.arange(3), "ü": Runs(str(tmp_path / "ran")), "a b": [{"c": 2}], "d": "a"}
    assert keys(pickle.dumps(value, protocol)) == ("a", "b", "ü", "a b", "d")
    assert not (tmp_path / "ran").exists()


def test_keys_are_found_beside_functions_that_are_stored_by_value(keys: Any) -> None:
    """As cloudpickle stores lambdas, whose own dicts are no part of it."""
    assert keys(cloudpickle.dumps({"f": lambda x: x + 1, "g": 2})) == ("f", "g")


@pytest.mark.parametrize("value", [
    1, "a", ["a"], ({"a": 1},), [{"a": 1}], {1: 2}, {"a": 1, 2: 3}, {"x" * 300: 1}, {("a", "b"): 1},
    collections.OrderedDict(a=1), {str(n): n for n in range(1100)},
])  # fmt: skip
def test_what_is_no_dict_of_a_few_short_texts_has_no_keys(value: Any, keys: Any) -> None:
    """Rather none than wrong ones."""
    assert keys(pickle.dumps(value)) is None


@pytest.mark.parametrize("data", [b"", b"\x80", b"}", pickle.dumps({"a": 1})[:-3], b"\x80\x04}(X", b"\xff"])
def test_damaged_pickles_have_no_keys(data: bytes, keys: Any) -> None:
    """And raise nothing."""
    assert keys(data) is None


def test_an_empty_dict_has_no_keys_and_that_is_known(keys: Any) -> None:
    """It is a dict all the same."""
    assert keys(pickle.dumps({})) == ()


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=20).filter(lambda key: key.isprintable()), st.integers() | st.text())
)
def test_any_keys_are_found(tmp_path_factory: Any, value: dict[str, Any]) -> None:
    """As Python's own unpickler has them."""
    path = tmp_path_factory.mktemp("keys") / "x.pkl"
    path.write_bytes(pickle.dumps(value))
    assert pickled_keys(path) == tuple(value)

"""Code by value that earlier versions of Tiffin stored: every later version has to load it, on the Python that it is of."""

from __future__ import annotations

import pickletools
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tiffin import pickling
from tiffin.exceptions import PicklingError
from tiffin.pickling import rebuild

SAMPLES = Path(__file__).parents[1] / "data" / "by_value"
OWN = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    """Return what the sample of this Python holds."""
    if not (SAMPLES / f"{OWN}.pkl").exists():
        pytest.skip(f"there is no sample of Python {OWN}; tests/data/by_value/make.py makes one")
    loaded: dict[str, Any] = pickling.load(SAMPLES, name=OWN)
    return loaded


def test_models_of_the_past_answer_as_they_did(sample: dict[str, Any]) -> None:
    """Methods, caches, defaults by identity, and the class itself are there."""
    model = sample["model"]
    assert model.predict(2) == 7
    assert model.cached(1) == 2
    assert model.lazy is type(model)
    with pytest.raises(TypeError, match="a model predicts"):
        type("Other", (type(model),), {})
    assert type(sample["tagged"]).name == "Tagged"
    assert type(sample["tagged"]).__mro__[1].table == {"a": type(sample["tagged"])}


def test_members_exceptions_and_keys_of_the_past_are_whole(sample: dict[str, Any]) -> None:
    """They are what their classes say, and found where they stand."""
    assert sample["colour"] is type(sample["colour"])["RED"]
    assert sample["mode"].value == 3
    assert (sample["failure"].code, sample["failure"].args) == (7, ("gone",))
    assert sample["node"].links[sample["node"]] == 1


def test_functions_of_the_past_share_what_they_shared(sample: dict[str, Any]) -> None:
    """Variables, the names of their module, and the modules that they need."""
    up, get = sample["counter"]
    up()
    assert get() == 1
    through_main, lazily, parse = sample["functions"]
    assert (through_main(2), lazily(2), parse(["<a/>"])) == (6, 6, ["a"])
    packages = sample["packages"]
    assert packages[0](packages, "x").get_payload() == "x"
    function_type, number, variable = sample["types"]
    assert function_type is types.FunctionType
    assert number(4) == 4
    assert variable.__bound__ is int
    assert sample["variable"].cell_contents == 5
    if sample["alias"] is not None:
        assert sample["alias"].__value__.__args__[1].__args__ == (sample["alias"],)


@pytest.mark.parametrize("python", [path.stem for path in sorted(SAMPLES.glob("*.pkl")) if path.stem != OWN])
def test_code_of_the_past_of_another_python_is_refused(python: str) -> None:
    """Both versions are named."""
    with pytest.raises(PicklingError, match=rf"saved by Python {python}, and this is Python {OWN}"):
        pickling.load(SAMPLES, name=python)


def test_the_samples_name_all_that_can_stand_in_a_pickle() -> None:
    """Whoever adds a function to `rebuild` adds a sample that calls it."""
    named: set[str] = set()
    for path in SAMPLES.glob("*.pkl"):
        words = [str(argument) for _, argument, _ in pickletools.genops(path.read_bytes()) if isinstance(argument, str)]
        named.update(words)
    public = {
        name
        for name, found in vars(rebuild).items()
        if isinstance(found, types.FunctionType) and found.__module__ == rebuild.__name__ and not name.startswith("_")
    }
    assert public - named <= {"check_python", "imports_of", "of_c", "static_base"}  # for Tiffin itself

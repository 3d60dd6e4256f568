"""Which of several adapters reads a model of another tool's, and what of its record is told as lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tiffin
from tiffin import hookimpl
from tiffin.exceptions import HookError, PluginConflictError
from tiffin.plugins import ForeignModel, find_reader

MODEL = ForeignModel(tool="bentoml", kind="bentoml.toys", fields={"options": {"kind": "x"}}, files={})


class Reader:
    """Reads every model of the tool."""

    def __init__(self, types: list[str], answer: Any = None) -> None:
        self.types, self.answer = types, {"used": ["kind"]} if answer is None else answer

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {"types": self.types}

    @hookimpl
    def save(self) -> None:
        """Write nothing."""

    @hookimpl
    def load(self) -> int:
        return 1

    @hookimpl
    def read_foreign(self, foreign: Any) -> Any:
        return self.answer if foreign.kind == MODEL.kind else None


@pytest.fixture
def register() -> Iterator[Any]:
    names: list[str] = []

    def register(name: str, reader: Reader) -> None:
        tiffin.register(reader, name=name)
        names.append(name)

    yield register
    for name in names:
        tiffin.unregister(name)


@pytest.mark.parametrize(
    ("name", "types"), [("toys", ["other.Thing"]), ("another", ["toys.base.Toy"]), ("far", ["builtins.object"])]
)
def test_of_several_readers_the_nearest_wins(name: str, types: list[str], register: Any) -> None:
    """Who has the name of what wrote it, or claims its classes, goes first, and who takes any object goes last."""
    register("plain", Reader(["other.Thing"]))
    register(name, Reader(types))
    found = find_reader([MODEL])
    assert found is not None
    assert found[1].name == ("plain" if name == "far" else name)
    assert found[2].used == ["kind"]


def test_readers_that_are_equally_near_are_a_conflict(register: Any) -> None:
    """Which is meant cannot be told, so the error names both."""
    register("one", Reader(["other.Thing"]))
    register("two", Reader(["other.Thing"]))
    with pytest.raises(PluginConflictError, match="one and two both read"):
        find_reader([MODEL])


def test_a_text_for_a_list_of_used_options_is_refused(register: Any) -> None:
    """It would be read letter by letter."""
    register("one", Reader(["other.Thing"], {"used": "kind"}))
    with pytest.raises(HookError, match="'one' answers read_foreign"):
        find_reader([MODEL])

"""What adapters share whose framework has a file of its own: the classes that it can become, and what lies beside it."""

from __future__ import annotations

import datetime
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiffin.exceptions import SignatureError, StoreError
from tiffin.plugins import NotMine, OwnClasses, read_parameters, write_parameters


class Trees:
    """A class of a framework's own."""

    def __init__(self, depth: int = 3, **others: Any) -> None:
        self.depth = depth

    def predict(self) -> None:
        """Nothing that parameters may replace."""


class Derived(Trees):
    """A user's."""


@pytest.fixture
def classes(monkeypatch: pytest.MonkeyPatch) -> OwnClasses:
    """Return the classes of a module that is there."""
    module = types.ModuleType("forest")
    module.Trees = Trees  # type: ignore[attr-defined]
    module.os = __import__("os")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "forest", module)
    return OwnClasses("forest", ("Trees",))


def test_only_the_classes_themselves_have_names(classes: OwnClasses) -> None:
    """What derives from one is left to others, under the same name too; another name is refused with those that there are."""
    assert classes.name_of(Trees()) == "Trees"
    assert classes.get("Trees") is Trees
    for other in (Derived(), type("Trees", (Trees,), {})()):
        with pytest.raises(NotMine, match="own format of forest would make a"):
            classes.name_of(other)
    with pytest.raises(SignatureError, match=r"model_class='os' names no class of models.*Those of forest are Trees"):
        classes.get("os")


def test_plain_parameters_come_back_and_others_are_told(tmp_path: Path) -> None:
    """Numbers of numpy's as Python's, NaN as NaN; a phrase for each that is lost, with its value, however long."""
    values = {
        "rate": np.float64(0.5), "missing": float("nan"), "names": ["a", None], "pairs": (1, 2),
        "objective": len, "weights": {1: 2.0}, "since": datetime.date(2026, 1, 1), "long": {"x" * 9999},
    }  # fmt: skip
    lost = write_parameters(values, tmp_path / "p.json")
    found = read_parameters(tmp_path / "p.json")
    assert found.pop("missing") != found.get("missing")
    assert found == {"rate": 0.5, "names": ["a", None], "pairs": [1, 2]}
    assert [phrase.partition(",")[0] for phrase in lost] == [
        f"the parameter '{name}'" for name in ("objective", "weights", "since", "long")
    ]
    assert "<built-in function len>" in lost[0]
    assert max(map(len, lost)) < 1000


def test_a_strangers_names_replace_nothing_that_the_class_has(tmp_path: Path) -> None:
    """Methods and private names are passed over; parameters, and names that are free, are not."""
    write_parameters({"depth": 4, "extra": 1, "predict": 2, "_state": 3, "__class__": 4}, tmp_path / "p.json")
    assert read_parameters(tmp_path / "p.json", Trees) == {"depth": 4, "extra": 1}


def test_a_file_that_is_missing_holds_none_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    """Other tools write none; half a file is not half of the parameters."""
    assert read_parameters(tmp_path / "p.json", Trees) == {}
    threads = '{"n_jobs": 1000000}'  # which compiled code fails to start, and ends the program
    for text in (
        '{"depth": ',
        "[1]",
        "[" * 100_000,
        "\udcff",
        " " * (2 << 20),
        threads,
        threads.replace("n_jobs", "nthread"),
    ):
        (tmp_path / "p.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(StoreError, match=r"cannot be read|threads"):
            read_parameters(tmp_path / "p.json")

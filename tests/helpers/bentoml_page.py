"""The tables of the page "Move from BentoML", and who tests what they say differs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from workspace import ROOT

PAGE = ROOT / "docs" / "how-to" / "move-from-bentoml.md"
DATA = ROOT / "tests" / "data" / "names" / "bentoml.json"
DIFFERENCES = ROOT / "tests" / "integration" / "test_bentoml_differences.py"
NONE = "none"

F = TypeVar("F", bound=Callable[..., Any])


class Row(NamedTuple):
    """One row of the tables of names: BentoML's name, Tiffin's or `NONE`, and what differs."""

    name: str
    ours: str
    differs: str


def rows() -> list[Row]:
    """Return the rows of the tables below "Every name"."""
    text = PAGE.read_text(encoding="utf-8").partition("## Every name")[2]
    found = re.findall(r"^\| `([^`]+)` \| (?:`([^`]+)`|none) \|(?: (.*))? ?\|$", text, re.MULTILINE)
    assert len(found) == sum(line.startswith("| `") for line in text.splitlines())  # none has another form
    return [Row(name, ours or NONE, differs.strip()) for name, ours, differs in found]


def names() -> dict[str, list[str] | None]:
    """Return BentoML's public names and their parameters, as `tools/bentoml_peer.py names` writes them."""
    found: dict[str, list[str] | None] = json.loads(DATA.read_text(encoding="utf-8"))["names"]
    return found


def differs(*shown: str) -> Callable[[F], F]:
    """Say of which rows a test shows that what the page says differs."""

    def decorate(test: F) -> F:
        return test

    return decorate


def shown() -> set[str]:
    """Return BentoML's names of the rows that a test shows."""
    said = re.findall(r"^@differs\((.*?)\)$", DIFFERENCES.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {name for names in said for name in re.findall(r'"([^"]+)"', names)}

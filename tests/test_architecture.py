"""ARCHITECTURE.md is a map: every room of core, in the order in which they may import, and no place that is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORE = ROOT / "core" / "src" / "tiffin"
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
BESIDE = {"__init__", "__main__", "_moved"}
"""No rooms: the package itself, and what the text names beside the table."""


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    part = TEXT.partition(f"## {heading}")[2].partition("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


ROOMS = [re.sub(r"[`/]|\.py", "", row[0]) for row in rows("What is where")]


def test_every_room_is_on_the_map_once() -> None:
    """Who adds a room writes its line."""
    there = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(ROOMS) == sorted(there - BESIDE)


def test_the_map_has_the_rooms_in_the_order_of_their_floors() -> None:
    """What stands above may import what stands below, as the contract of the linter says."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    floors = {room.strip(): number for number, layer in enumerate(layers) for room in layer.split("|")}
    assert floors.keys() - BESIDE == set(ROOMS)
    assert [floors[room] for room in ROOMS] == sorted(floors[room] for room in ROOMS)


def test_tests_lie_in_folders_that_are_called_as_the_rooms_are() -> None:
    """Whoever changes a room finds its tests; beside these stand tests that cross rooms, and what tests use."""
    others = {"data", "helpers", "integration", "packaging", "typing"}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert folders - others <= set(ROOMS)


def test_every_place_that_the_map_names_is_there() -> None:
    """A file that moves takes its line along."""
    places = set(re.findall(r"`([\w./-]+(?:\.py|\.md|/))`", TEXT))
    assert len(places) > 60
    missing = [place for place in places if not (CORE / place).exists() and not (ROOT / place).exists()]
    assert missing == []


def test_the_map_answers_thirty_questions() -> None:
    """Each with at least one file or folder to open."""
    answers = rows("To change X")
    assert len(answers) >= 30
    assert all("`" in answer[1] for answer in answers)

"""Check what import-linter does not: no room of core takes anything private from another, no file's name occurs twice.

A room is a folder or a module directly in `tiffin`. A part of a dotted name that begins with an underscore is private to the
room that it stands in; plugins, examples, tools and tests take nothing private at all. What tests need from inside a room is
named in `tests/helpers/inside/`, a module per room: where it moves, that is what follows. Exits with the number of findings.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from workspace import ROOT

CORE = ROOT / "core" / "src"
OUTSIDE = (
    "plugins/*/src/**/*.py",
    "plugins/*/tests/**/*.py",
    "examples/**/*.py",
    "tools/*.py",
    "tests/**/*.py",
    "docs/*.py",
    "conftest.py",
)
INSIDE = ROOT / "tests" / "helpers" / "inside"
SAID = re.compile(r"\btiffin(?:\.[a-z_]+)*\._[a-z]\w*|\bfrom tiffin(?:\.[a-z_]+)* import _[a-z]\w*")
"""What a text says that is private: a program for another process, the name of what is replaced meanwhile."""


def module_of(path: Path, source: Path) -> str:
    """Return the dotted name of the module in a file."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that a file imports of Tiffin, in whatever function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("tiffin."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tiffin":
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def said(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything private that texts of a file name, docstrings apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            for found in SAID.findall(node.value):
                yield node.lineno, found.removeprefix("from ").replace(" import ", ".")


def room_of(module: str) -> str:
    """Return the room that a dotted name of core stands in: `tiffin.store` for `tiffin.store._blobs`."""
    return ".".join(module.split(".")[:2])


def private_part(module: str) -> bool:
    """Tell whether a dotted name leads through something private; `__version__` and the like are not."""
    return any(part.startswith("_") and not part.endswith("__") for part in module.split(".")[1:])


def reaches(path: Path, room: str | None) -> Iterator[str]:
    """Yield what a file takes from other rooms that is private there.

    Args:
        path: the file.
        room: its own room; `None` for a file outside core.
    """
    for line, name in (*imported(path), *(() if room else said(path))):
        if private_part(name) and room_of(name) != room and not (room and name.startswith("tiffin._")):
            where = f"{path.relative_to(ROOT)}:{line}"
            yield f"{where}: {name} is private to {room_of(name)}; take it from a face, or make it public"


def findings() -> Iterator[str]:
    """Yield everything that is not as it should be."""
    files = sorted(CORE.rglob("*.py"))
    for path in files:
        yield from reaches(path, room_of(module_of(path, CORE)))
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            if path.parent != INSIDE:
                yield from reaches(path, None)
    counted = Counter(path.name for path in files if path.name != "__init__.py")
    for name, count in counted.items():
        if count > 1:
            places = ", ".join(str(path.relative_to(CORE)) for path in files if path.name == name)
            yield f"{name} occurs {count} times in core ({places}): a file's name says what only this file is"


def main() -> None:
    """Print the findings."""
    found = list(findings())
    print("\n".join(found) or "Rooms: nothing private is taken, no file's name occurs twice.")
    sys.exit(min(len(found), 100))


if __name__ == "__main__":
    main()

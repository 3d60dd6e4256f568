"""Print how many lines of code each adapter has, and their median: formatted, without docstrings, comments and blank lines.

Run: python tools/adapter_lines.py

An adapter is what an entry point of the group `tiffin` names: a package, or a module beside others. A package counts with all
of its modules but those that are other adapters, and `conformance`, which is tests.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from pathlib import Path

from workspace import packages

_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip


def count(source: str) -> int:
    """Return the number of lines of a module that hold code."""
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(source)):
        # A text that nothing is done with: a docstring, of an attribute too.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def adapters() -> dict[str, int]:
    """Return the lines of each adapter of the workspace, by the name that users know it by; aliases are none."""
    found: dict[str, int] = {}
    for package in packages()[1:]:
        names: dict[Path, str] = {}
        folder = package.folder / "src" / package.module
        for name, module in package.pyproject["project"]["entry-points"].get("tiffin", {}).items():
            path = package.folder / "src" / module.replace(".", "/")
            names.setdefault(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"), name)
        others = set(names) - {folder / "__init__.py"}
        for path, name in names.items():
            files = [path] if path in others else set(folder.rglob("*.py")) - others - {folder / "conformance.py"}
            found[name] = sum(count(file.read_text(encoding="utf-8")) for file in files)
    return found


def main() -> None:
    """Print the table."""
    found = adapters()
    for name, lines in sorted(found.items(), key=lambda item: item[1]):
        print(f"{name:<20} {lines:>5}")
    print(f"{'median':<20} {statistics.median(found.values()):>5g}")


if __name__ == "__main__":
    main()

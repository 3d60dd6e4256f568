"""Write locks/: for each package and each dependency group the third-party packages that it needs, pinned, with hashes.

One resolution holds for all of them, for every Python that Tiffin supports, so that any two locks fit together. What
locks/core.txt has stands in no other. Needs a package index. Pins that still fit are kept; `--upgrade` takes the newest ones.
The files name no index and no path: whoever installs takes the index from settings of their own.

An index of the machine's own that has only some builds of a version puts only their hashes into a lock, which then fits no
other Python. If there is one, resolve without it: PIP_CONFIG_FILE=/dev/null make lock.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from environment import uv, uv_settings
from workspace import LOCKS, entries, groups, lock_of, locked, normalized, packages, third_party, unlocked

HEADER = """\
# Third-party packages that {name} needs{besides}. Made by `make lock`; do not edit.
# Used by tools/setup.sh, which `pip install --require-hashes -r FILE …` could stand in for.
"""
OPTIONS = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-config", "--quiet"]
OPTIONS += ["--no-emit-index-url", "--no-annotate", "--no-header"]


def resolve(requirements: Iterable[str], folder: Path, *options: str, pins: str = "") -> str:
    """Return the lock of these requirements, keeping pins that fit."""
    program = uv()
    if program is None:
        raise SystemExit("tools/lock.py: only uv can resolve for several Pythons at once, and it cannot be had here")
    result = folder / "result.txt"
    result.write_text(pins, encoding="utf-8")
    subprocess.run(
        [program, "pip", "compile", "-", f"--output-file={result}", *OPTIONS, *options],
        input="\n".join(requirements),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        env=uv_settings(),
    )
    return result.read_text(encoding="utf-8")


def main() -> None:
    """Resolve, and replace what is in locks/."""
    needed = {package.folder.name: third_party([package]) for package in packages()}
    assert not set(needed) & set(groups()), "a dependency group has the name of a package's folder"
    needed |= groups()
    before = [path.stem for path in LOCKS.glob("*.txt")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A marker that is never true takes a distribution out together with all that only it needs.
        overrides, constraints = folder / "overrides.txt", folder / "constraints.txt"
        without = "".join(f"{normalized(line)} ; python_version < '3'\n" for line in unlocked())
        overrides.write_text(without, encoding="utf-8")
        options = [f"--overrides={overrides}"]
        everything = sorted({line for requirements in needed.values() for line in requirements})
        pins = "" if "--upgrade" in sys.argv else locked(before)
        together = resolve(everything, folder, *options, pins=pins)
        constraints.write_text("".join(entry.split(" \\\n")[0] + "\n" for entry in entries(together)), encoding="utf-8")
        options.append(f"--constraints={constraints}")
        locks = {name: entries(resolve(lines, folder, *options, pins=together)) for name, lines in needed.items()}
    LOCKS.mkdir(exist_ok=True)
    for stale in set(before) - set(locks):
        lock_of(stale).unlink()
    for name, found in locks.items():
        own = found if name == "core" else [entry for entry in found if entry not in locks["core"]]
        besides = "" if name == "core" else " besides those of locks/core.txt"
        lock_of(name).write_text(HEADER.format(name=name, besides=besides) + "".join(own), encoding="utf-8")


if __name__ == "__main__":
    main()

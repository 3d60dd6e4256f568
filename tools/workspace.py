"""What the tools and tests ask about the workspace: its packages, their dependencies, the dependency groups, the locks.

Needs nothing but the standard library: `tools/environment.py` imports it before anything is installed.
"""

from __future__ import annotations

import re
import subprocess
import threading
import tomllib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "locks"
"""One file for each package and each dependency group: names, versions, hashes."""


class Package(NamedTuple):
    """One distribution of the workspace: its name, its folder, and its pyproject.toml as a dict."""

    name: str
    folder: Path
    pyproject: dict[str, Any]

    @property
    def module(self) -> str:
        """The name that the package is imported by."""
        return self.name.replace("-", "_")

    @property
    def dependencies(self) -> list[str]:
        """The requirements that it names."""
        return list(self.pyproject["project"].get("dependencies", []))


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file."""
    content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return content


def packages() -> list[Package]:
    """Return the packages of the workspace: core first, then the plugins by name."""
    folders = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    found = []
    for folder in folders:
        pyproject = read_toml(folder / "pyproject.toml")
        found.append(Package(pyproject["project"]["name"], folder, pyproject))
    return found


def heavy() -> list[str]:
    """Return the folder names of the plugins, and the groups, that only the slow tier installs and tests."""
    return list(read_toml(ROOT / "pyproject.toml")["tool"]["tiffin"]["heavy"])


def unlocked() -> list[str]:
    """Return the requirements that pip resolves by itself: distributions of many builds, which no lock fits."""
    return list(read_toml(ROOT / "pyproject.toml")["tool"]["tiffin"]["unlocked"])


def groups() -> dict[str, list[str]]:
    """Return the requirements of each dependency group, included groups resolved.

    The group `test` of a plugin's own pyproject.toml, what its tests need besides the plugin, is called `NAME-test`.
    """
    own = read_toml(ROOT / "pyproject.toml")["dependency-groups"]
    found = {name: _resolved(own, name) for name in own}
    for package in packages():
        for name in package.pyproject.get("dependency-groups", {}):
            found[f"{package.folder.name}-{name}"] = _resolved(package.pyproject["dependency-groups"], name)
    return found


def _resolved(groups: Mapping[str, list[Any]], name: str) -> list[str]:
    requirements: list[str] = []
    for entry in groups[name]:
        requirements += [entry] if isinstance(entry, str) else _resolved(groups, entry["include-group"])
    return requirements


def normalized(requirement: str) -> str:
    """Return the distribution's name in a requirement, in the form in which names are compared."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, f"not a requirement: {requirement!r}"
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def third_party(chosen: Iterable[Package]) -> list[str]:
    """Return what these packages depend on, on any Python, without the workspace's own packages."""
    own = {normalized(package.name) for package in packages()}
    requirements = [line for package in chosen for line in package.dependencies]
    return sorted({line for line in requirements if normalized(line) not in own})


def with_own(names: Iterable[str]) -> list[str]:
    """Return these names, and the folder names of the workspace's packages that those among them depend on."""
    folders = {normalized(package.name): package.folder.name for package in packages()}
    dependencies = {package.folder.name: package.dependencies for package in packages()}
    found, pending = set(), list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += [folders[own] for line in dependencies.get(name, ()) if (own := normalized(line)) in folders]
    return sorted(found)


def lock_of(name: str) -> Path:
    """Return the path of the lock of a package (by its folder's name) or of a dependency group."""
    return LOCKS / f"{name}.txt"


def entries(lock: str) -> list[str]:
    """Return the entries of a lock's text: name, version and marker, and the lines of hashes, each with its end of line."""
    return re.findall(r"^\S+==.*(?:\n    --hash.*)+\n", lock, re.MULTILINE)


def locked(names: Iterable[str]) -> str:
    """Return the entries of several locks, each once, sorted: what `pip install --require-hashes -r` takes."""
    return "".join(sorted({entry for name in names for entry in entries(lock_of(name).read_text(encoding="utf-8"))}))


def run_together(commands: Mapping[str, list[str | Path]]) -> list[str]:
    """Run pytest several times in the workspace, two at once; return the names of the runs that failed.

    What a run prints is shown when it has ended.

    Args:
        commands: name → the command, to which options are added.
    """

    def run(name: str) -> int:
        # Each has a memory of its own of what failed.
        command = [*commands[name], "-o", f"cache_dir=.pytest_cache/{name.replace(' ', '-')}"]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        with lock:
            print(f"\n== {name}\n{done.stdout}{done.stderr}", flush=True)
        return done.returncode

    lock = threading.Lock()
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(run, commands))
    return [name for name, code in zip(commands, codes, strict=True) if code]

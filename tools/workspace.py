"""What the tools and tests ask about the workspace: its packages, their dependencies, the dependency groups."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # the lock brings it on 3.10

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"


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


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group of the root's pyproject.toml, included groups resolved."""
    requirements: list[str] = []
    for entry in read_toml(ROOT / "pyproject.toml")["dependency-groups"][name]:
        requirements += [entry] if isinstance(entry, str) else group(entry["include-group"])
    return requirements


def normalized(requirement: str) -> str:
    """Return the distribution's name in a requirement, in the form in which names are compared."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, f"not a requirement: {requirement!r}"
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def third_party(chosen: list[Package]) -> list[str]:
    """Return what these packages depend on, on any Python, without the workspace's own packages."""
    own = {normalized(package.name) for package in packages()}
    requirements = [line for package in chosen for line in package.dependencies]
    return sorted({line for line in requirements if normalized(line) not in own})


def pins(requirements: list[str]) -> str:
    """Return the part of requirements.lock, hashes included, that these requirements and all below them need.

    What is needed below is read from the running environment's installed packages, so it holds for this Python.
    """
    entries = re.findall(r"^(\S+)==(\S+)(.*(?:\n    --hash.*)+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    hashes = {(normalized(name), version): rest for name, version, rest in entries}
    needed: dict[str, str] = {}
    pending = [line.name for line in map(Requirement, requirements) if not line.marker or line.marker.evaluate()]
    pending = [normalized(name) for name in pending]
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        found = metadata.distribution(name)
        needed[name] = f"{name}=={found.version}{hashes[name, found.version]}\n"
        below = [Requirement(line) for line in found.requires or []]
        pending += [normalized(line.name) for line in below if not line.marker or line.marker.evaluate({"extra": ""})]
    return "".join(needed[name] for name in sorted(needed))


def run_together(commands: Mapping[str, list[str | Path]]) -> list[str]:
    """Run pytest several times in the workspace, two at once; return the names of the runs that failed.

    What a run prints is shown when it has ended. Tests that fail run once more: they kill processes and race them on
    purpose, beside whatever else the machine does. What fails once in a thousand runs is shown, and does not end the run;
    what fails twice does.

    Args:
        commands: name → the command, to which options are added.
    """

    def run(name: str) -> int:
        # Each has a memory of its own of what failed.
        cache = ".pytest_cache/" + name.replace(" ", "-")
        command = [*commands[name], "-o", f"cache_dir={cache}"]
        first = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        code, text = first.returncode, first.stdout + first.stderr
        if code == 1:
            again = [*command, "--last-failed", "--last-failed-no-failures=none"]
            second = subprocess.run(again, cwd=ROOT, check=False, capture_output=True, text=True)
            code, text = second.returncode, f"{text}\nOnce more, only what failed:\n{second.stdout}{second.stderr}"
        with lock:
            print(f"\n== {name}\n{text}", flush=True)
        return code

    lock = threading.Lock()
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(run, commands))
    return [name for name, code in zip(commands, codes, strict=True) if code]

"""Make a virtual environment for working on Tiffin: third-party packages from locks/, own packages editable.

Usage: python tools/environment.py VENV [NAME …]; `tools/setup.sh` finds a Python and calls this. Each NAME is a package, by
the name of its folder, or a dependency group; core and what builds it always come along. Without names it is everything but
the heavy plugins; `--heavy` is those, too. An environment grows: what an earlier call put there stays, until a lock or a
pyproject.toml changes and it is made anew. Needs nothing but the standard library.

uv installs, in seconds. It comes by pip into .tools/uv; where it cannot be had, pip installs.
"""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
import venv
import zlib
from collections.abc import Sequence
from pathlib import Path

from workspace import LOCKS, ROOT, groups, heavy, lock_of, locked, normalized, packages, third_party, unlocked, with_own

ALWAYS = ("core", "editable")
UV = ROOT / ".tools" / "uv"
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
"""Settings of pip → variables of uv, which does not read pip's files."""


def say(text: str) -> None:
    """Print a line for whoever waits."""
    print(f"tools/environment.py: {text}", file=sys.stderr, flush=True)


def pip_of(python: Path) -> list[str]:
    """Return the command that runs this Python's pip."""
    return [str(python), "-m", "pip", "--disable-pip-version-check"]


@functools.cache
def uv() -> Path | None:
    """Return the path of uv, installed if need be; `None` where it cannot be had."""
    program, stamp, lock = UV / "bin" / "uv", UV / "stamp", lock_of("uv")
    wanted = lock.read_text(encoding="utf-8")
    if not (program.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
        say("fetching uv, which installs the rest")
        venv.create(UV, clear=True, with_pip=True)
        command = [*pip_of(UV / "bin" / "python"), "install", "-qq", "--only-binary=:all:"]
        command += ["--require-hashes", f"--requirement={lock}"]
        if subprocess.run(command, check=False).returncode:
            say("uv cannot be had, pip says why above; pip installs in its place, which takes longer")
            return None
        stamp.write_text(wanted, encoding="utf-8")
    return program


@functools.cache
def uv_settings() -> dict[str, str]:
    """Return the environment variables that tell uv what pip's settings tell pip; what is set for uv itself stays."""
    listed = subprocess.run(
        [*pip_of(UV / "bin" / "python"), "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, str] = {}
    # Later sections go before earlier ones, as they do for pip.
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            name = SETTINGS.get(key.removeprefix(f"{section}."))
            if name and key.startswith(f"{section}."):
                words = str(ast.literal_eval(value)).split()
                found[name] = ("," if name == "UV_FIND_LINKS" else " ").join(words)
    # pip takes the best version of all indexes, uv by default that of the first that has any; the hashes hold for both.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **found, **os.environ}


def install(python: Path, *arguments: str | Path) -> None:
    """Install into the environment of `python`.

    Raises:
        SystemExit: it could not be installed.
    """
    program = uv()
    if program is not None:
        # On a terminal uv draws what it does; elsewhere that would be a line for each package.
        quiet = [] if sys.stderr.isatty() else ["--quiet"]
        command = [program, "pip", "install", *quiet, f"--python={python}", *arguments]
        if subprocess.run(command, env=uv_settings(), check=False).returncode == 0:
            return
        say("uv could not install it and says why above; pip is tried next")
    install_by_pip(python, *arguments)


def install_by_pip(python: Path, *arguments: str | Path) -> None:
    """Install into the environment of `python`, by a pip that is there or comes with Python.

    Raises:
        SystemExit: it could not be installed.
    """
    if subprocess.run([python, "-c", "import pip"], check=False, capture_output=True).returncode:
        subprocess.run([python, "-m", "ensurepip"], check=True, capture_output=True)
    if subprocess.run([*pip_of(python), "install", "-qq", *arguments], check=False).returncode:
        say(
            "the packages could not be installed, pip says why above; its index is a setting of its own (pip config list)"
        )
        raise SystemExit(1)


def make(folder: Path, names: Sequence[str] = ()) -> Path:
    """Make an environment, or bring it up to date; return its Python.

    Args:
        folder: where it lies.
        names: packages, by the names of their folders, and dependency groups; none: all but the heavy plugins.

    Raises:
        SystemExit: there is no such package or group, or something could not be installed.
    """
    own = {package.folder.name: package for package in packages()}
    names = names or [name for name in everything() if name.removesuffix("-test") not in heavy()]
    unknown = set(names) - set(everything())
    if unknown:
        say(f"neither packages nor dependency groups: {', '.join(sorted(unknown))}")
        raise SystemExit(2)

    python, stamp = folder / "bin" / "python", folder / "stamp"
    state = state_of(folder)
    before = stamp.read_text(encoding="utf-8").split() if stamp.exists() else []
    current = before[:1] == [state] and runs(python)
    present = set(before[1:]) if current else set()
    wanted = with_own({*ALWAYS, *names, *present})
    if set(wanted) == present:
        return python

    print(
        f"{'Adding to' if current else 'Setting up'} {folder.name}: {', '.join(sorted(set(wanted) - present))}",
        flush=True,
    )
    if not current:
        venv.create(folder, clear=True, with_pip=uv() is None)
    stamp.unlink(missing_ok=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(locked(wanted), encoding="utf-8")
    needed = {normalized(line) for line in third_party(own[name] for name in wanted if name in own)}
    by_pip = [requirement for requirement in unlocked() if normalized(requirement) in needed]
    say(f"installing {requirements.read_text(encoding='utf-8').count('==')} packages of locks/")
    # What no lock fits comes last, so what depends on it must not ask for it; all else that is asked for is locked.
    install(python, "--require-hashes", *(["--no-deps"] if by_pip else []), "-r", requirements)
    # Without isolation the build back end comes from the lock; without dependencies nothing unlocked is let in.
    editable = [f"--editable={own[name].folder}" for name in wanted if name in own]
    say(f"installing {len(editable)} packages of this workspace")
    install(python, "--no-deps", "--no-build-isolation", *editable)
    if by_pip:
        install_by_pip(python, *by_pip)
    stamp.write_text(" ".join([state, *wanted]), encoding="utf-8")
    return python


def everything() -> list[str]:
    """Return the names of all packages, and of all dependency groups but that of uv, which has an environment of its own."""
    return [*(package.folder.name for package in packages()), *(name for name in groups() if name != "uv")]


def state_of(folder: Path) -> str:
    """Return a checksum of all that an environment is made from."""
    # A moved checkout counts as a change: editable installs and the environment's programs name its folder.
    said = [str(folder.resolve()), sys.version, *unlocked()]
    files = [*sorted(LOCKS.glob("*.txt")), *(package.folder / "pyproject.toml" for package in packages())]
    return str(zlib.crc32("\n".join([*said, *(path.read_text(encoding="utf-8") for path in files)]).encode()))


def runs(python: Path) -> bool:
    """Return whether this Python is there and runs."""
    return python.exists() and subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    target, *chosen = sys.argv[1:] or [".venv"]
    make(ROOT / target, everything() if chosen == ["--heavy"] else chosen)

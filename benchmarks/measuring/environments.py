"""Environments for benchmarks: what users have, installed from wheels, with bytecode compiled.

They lie in benchmarks/.envs/ and are kept from run to run; Tiffin's is made again when a source file has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent
ENVIRONMENTS = BENCHMARKS / ".envs"


def tiffin(*plugins: str, name: str = "", dependencies: bool = True) -> Path:
    """Return the Python of an environment with the wheels of core and of these plugins; with none, of core alone.

    Args:
        plugins: names of folders below plugins/.
        name: the environment's, where it is not one of the two that most benchmarks use.
        dependencies: whether what the plugins depend on is installed too; what core depends on always is.
    """
    projects = [ROOT / "core", *(ROOT / "plugins" / plugin for plugin in plugins)]
    name = name or ("tiffin" if plugins else "tiffin-alone")
    wanted = _digest(projects)
    if not _is_made(name, wanted):
        python = _new(name)
        wheels = ENVIRONMENTS / name / "wheels"
        _run(python, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", wheels, *projects)
        built = list(wheels.glob("*.whl"))
        if not dependencies:
            _run(python, "-m", "pip", "install", "-qq", "--no-deps", *built)
            built = [wheel for wheel in built if wheel.name.startswith("tiffin-")]
        _run(python, "-m", "pip", "install", "-qq", *built)
        _finish(name, python, wanted)
    return _python(name)


def peer(name: str, *requirements: str) -> Path:
    """Return the Python of an environment of that name with these distributions, in their newest versions when made."""
    wanted = " ".join(requirements)
    if not _is_made(name, wanted):
        python = _new(name)
        _run(python, "-m", "pip", "install", "-qq", *requirements)
        _finish(name, python, wanted)
    return _python(name)


def command(python: Path, name: str) -> str:
    """Return the path of a command that is installed beside that Python."""
    return str(python.parent / name)


def distributions(python: Path) -> dict[str, str]:
    """Return name → version of what is installed there, without pip and setuptools, which come with the environment."""
    code = "import importlib.metadata as m; [print(d.metadata['Name'], d.version) for d in m.distributions()]"
    lines = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    found = dict(line.split(" ") for line in lines)
    return {name: version for name, version in sorted(found.items()) if name not in ("pip", "setuptools")}


def _python(name: str) -> Path:
    return ENVIRONMENTS / name / "bin" / "python"


def _is_made(name: str, wanted: str) -> bool:
    note = ENVIRONMENTS / name / "made-from"
    return note.exists() and note.read_text() == f"{sys.version}\n{wanted}"


def _new(name: str) -> Path:
    print(f"Making the environment {ENVIRONMENTS / name} …", file=sys.stderr, flush=True)
    shutil.rmtree(ENVIRONMENTS / name, ignore_errors=True)
    _run(Path(sys.executable), "-m", "venv", ENVIRONMENTS / name)
    return _python(name)


def _finish(name: str, python: Path, wanted: str) -> None:
    _run(python, "-m", "compileall", "-q", *(ENVIRONMENTS / name / "lib").glob("python*/site-packages"))
    (ENVIRONMENTS / name / "made-from").write_text(f"{sys.version}\n{wanted}")


def _run(python: Path, *arguments: object) -> None:
    # Bytecode that is not compiled yet would be compiled by the first command that is timed.
    # Some distributions hold templates that are no valid Python; compileall fails on those, and nothing imports them.
    check = "compileall" not in arguments
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment.pop("PYTHONPATH", None)
    subprocess.run([python, *map(str, arguments)], check=check, env=environment, stdout=sys.stderr)


def _digest(projects: list[Path]) -> str:
    digest = hashlib.sha256()
    for project in projects:
        for path in sorted([project / "pyproject.toml", *(project / "src").rglob("*.py")]):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()

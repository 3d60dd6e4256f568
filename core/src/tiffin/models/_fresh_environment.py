"""A fresh environment of other versions, in which a stored model's examples are replayed; nothing of it stays."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tiffin.exceptions import FreshEnvironmentError, TiffinError
from tiffin.model import Model
from tiffin.models._replaying import CheckReport, replay
from tiffin.plugins import registry
from tiffin.store import ModelStore

TIME_LIMIT = 1800
"""Seconds that installing may take, and replaying too."""
_SHOWN = 3
_BOOT = "from tiffin.models._fresh_environment import main; main()"


def replay_with(
    versions: Sequence[str], model: Model, store: ModelStore, tolerances: Mapping[str, float] | None
) -> CheckReport:
    """Replay a model's examples in an environment of its own; see `tiffin.models.check`.

    Args:
        versions: requirements, as for pip.
        model: the version.
        store: its store.
        tolerances: as for `check`.

    Raises:
        FreshEnvironmentError: the environment cannot be made, or the model cannot be checked in it.
    """
    for version in versions:
        if version.startswith("-") or not version.strip():
            raise FreshEnvironmentError(
                f"{version!r} is no requirement",
                why="What stands there is installed by pip",
                fix="For example: kvlib==2.0",
                versions=tuple(versions),
            )
    framework = model.info.framework
    if registry().is_running(framework):
        raise FreshEnvironmentError(
            f"The adapter {framework!r} is an object of the running program",
            why="A fresh environment has only what can be installed",
            fix="Check in an environment of your own that has the versions; or make the adapter a package",
            versions=tuple(versions),
        )
    needed = [_as_installed("tiffin")]
    for plugin in registry().describe():
        if plugin.kind == "adapter" and plugin.state == "ok" and framework in (plugin.name, *plugin.aliases):
            needed.append(_as_installed(plugin.distribution))
    # A folder that a killed child still writes to is no reason to fail.
    with tempfile.TemporaryDirectory(prefix="tiffin-check-", ignore_cleanup_errors=True) as folder:
        python = _make(Path(folder, "environment"), [*needed, *versions], tuple(versions))
        task = {"store": str(store.path), "tag": str(model.tag), "tolerances": dict(tolerances or {})}
        answer = Path(folder, "answer.json")
        done = _run([str(python), "-P", "-c", _BOOT, json.dumps(task), str(answer)], folder, tuple(versions))
        if not answer.exists():
            raise _failed(f"the replay ended with code {done.returncode}", done.stderr, tuple(versions))
        said: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in said:
        what, why, fix = said["error"]
        raise FreshEnvironmentError(
            f"With {', '.join(versions)} the model cannot be checked: {what}",
            why=why,
            fix=fix,
            versions=tuple(versions),
        )
    return CheckReport.from_dict(said)


def _as_installed(name: str) -> str:
    """Return the requirement that installs a distribution as it is installed here: of its version, or of its folder."""
    distribution = importlib.metadata.distribution(name)
    url = json.loads(distribution.read_text("direct_url.json") or "{}").get("url", "")
    if urlsplit(url).scheme == "file":
        return f"{name} @ {url}"
    return f"{name}=={distribution.version}"


def _make(folder: Path, requirements: Sequence[str], versions: tuple[str, ...]) -> Path:
    try:
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        text = (getattr(error, "output", None) or b"").decode(errors="replace") or str(error)
        raise FreshEnvironmentError(
            f"An environment for {', '.join(versions)} cannot be made: {text.strip().splitlines()[-1]}",
            why="It is made with Python's own venv and ensurepip",
            fix="Install these parts of Python; or check in an environment of your own that has the versions",
            versions=versions,
        ) from error
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = _run([*command, *requirements], str(folder), versions)
    if done.returncode:
        raise _failed(f"pip cannot install {', '.join(versions)}", done.stderr, versions)
    return python


def _run(command: list[str], folder: str, versions: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a process group of its own; none of its processes outlives the call."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired as error:
        raise _failed(f"it took more than {TIME_LIMIT} seconds", "", versions) from error
    finally:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            assert child.stderr is not None
            child.stderr.close()
    return subprocess.CompletedProcess(command, child.returncode, "", said)


def _failed(what: str, said: str, versions: tuple[str, ...]) -> FreshEnvironmentError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.upper().startswith("ERROR")] or lines
    return FreshEnvironmentError(
        f"With {', '.join(versions)} the model cannot be checked: {what}",
        why=" ".join(told[-_SHOWN:]),
        fix="Try other versions; pip has its package index from its own settings (pip config list)",
        versions=versions,
    )


def main() -> None:
    """Replay what the parent process names, and write the report to the file that it names."""
    task = json.loads(sys.argv[1])
    said: dict[str, Any]
    try:
        store = ModelStore(task["store"])
        model = store.get(task["tag"])
        said = replay(model, store.examples(model.info.content_digest), task["tolerances"]).to_dict()
    except TiffinError as error:
        said = {"error": [error.what, error.why, error.fix]}
    Path(sys.argv[2]).write_text(json.dumps(said), encoding="utf-8")

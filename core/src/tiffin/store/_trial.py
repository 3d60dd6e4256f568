"""Loading what is about to be published once, in a clean process: the general answer to whether it loads elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tiffin import pickling
from tiffin.exceptions import PicklingError, TiffinError
from tiffin.info import ModelInfo, options_from
from tiffin.plugins import registry

TIME_LIMIT = 600
"""Seconds that a trial load may take."""

# Tiffin itself is found where it was found here; of all else, only what any program finds.
_BOOT = "import sys;sys.path.append(sys.argv[1]);from tiffin.store._trial import main;sys.exit(main())"


def try_load(folder: str, info: ModelInfo) -> None:
    """Load a staged version and its custom objects in a new process, from a folder of its own, and throw them away.

    Args:
        folder: the version's folder, without its record.
        info: the record.

    Raises:
        PicklingError: it cannot be loaded there, or not within `TIME_LIMIT`.
    """
    parts = [(name, entry.path, entry.framework, entry.options) for name, entry in info.custom_objects.items()]
    parts.append(("", ".", info.framework, info.options))  # last, since it is given its custom objects
    running = {name for _, _, name, _ in parts if name and registry().is_running(name)}
    plugins = {name: pickling.dumps(registry().adapter(name).plugin) for name in running}
    task = pickling.dumps({"folder": folder, "parts": parts, "plugins": plugins, "path": sys.path})
    source = str(Path(__file__).parents[2])
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", _BOOT, source],
                input=task,
                cwd=empty,
                capture_output=True,
                timeout=TIME_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _refused(f"it took more than {TIME_LIMIT} seconds") from error
    if done.returncode:
        lines = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()
        raise _refused(lines[-1] if lines else f"the process ended with code {done.returncode}")


def _refused(why: str) -> PicklingError:
    return PicklingError(
        f"The object cannot be loaded in a clean process: {why}",
        why="It would be of no use to any other program; nothing was saved",
        fix="Mend what is named; for code of your own, give its module with external_modules=, or install it",
    )


def main() -> int:
    """Load what the parent process names on the standard input; return the exit code."""
    try:
        # The parent's own words, over a pipe that it made.
        _load_parts(pickle.load(sys.stdin.buffer))  # noqa: S301
    except TiffinError as error:
        print(str(error).replace("\n", " "))
        return 1
    return 0


def _load_parts(task: dict[str, Any]) -> None:
    clean = sys.path[:]
    # An adapter that only the running program has is found where that program finds it; the model is not.
    sys.path[:] = task["path"]
    for name, plugin in task["plugins"].items():
        registry().register(pickle.loads(plugin), name)  # noqa: S301 - as above
    sys.path[:] = clean
    loaded: dict[str, Any] = {}
    for name, path, framework, options in task["parts"]:
        folder = Path(task["folder"], path)
        if framework:
            adapter = registry().adapter(framework)
            loaded[name] = adapter.load(
                folder, options_from(adapter.info.options, options), custom_objects={} if name else loaded
            )
        else:
            loaded[name] = pickling.load(folder)

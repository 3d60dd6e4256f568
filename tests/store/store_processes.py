"""Processes that run functions of tests, and may be killed.

A fresh interpreter imports what they need once, and forks for each: so a process starts within milliseconds, and knows
nothing of the threads, files and locks of the process that runs the tests.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from process_support import like_ours


class Gate:
    """Lets many processes begin at one moment."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = Path(path).open("w")  # noqa: SIM115 - held open until `open`
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def open(self) -> None:
        """Let all go who wait, or come later."""
        self._file.close()


def wait_at(gate: str) -> None:
    """Wait until the gate at this path is opened."""
    with Path(gate).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)


class Process:
    """A process that runs a function of a test."""

    def __init__(self, processes: Processes, pid: int, out: Path) -> None:
        self._processes = processes
        self.pid = pid
        self._out = out

    def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end and return how it ended: 0, its exit code, or minus the number of the signal."""
        return int(self._processes.ask(wait=self.pid))

    def result(self) -> Any:
        """Wait for its end and return what its function returned, through JSON."""
        code = self.wait()
        text = self._out.read_text() if self._out.exists() else ""
        assert code == 0, f"the process ended with {code}: {text}"
        return json.loads(text)


class Processes:
    """Starts processes."""

    def __enter__(self) -> Processes:
        self._folder = tempfile.TemporaryDirectory()
        self._count = 0
        self._template = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=like_ours()
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._template.stdin
        self._template.stdin.close()
        self._template.wait(10)
        assert self._template.stdout
        self._template.stdout.close()
        self._folder.cleanup()

    def start(self, function: Callable[..., Any], **arguments: Any) -> Process:
        """Start a process that calls a function of a test file with arguments that JSON can hold."""
        self._count += 1
        out = Path(self._folder.name, str(self._count))
        file = sys.modules[function.__module__].__file__
        pid = self.ask(file=file, function=function.__name__, arguments=arguments, out=str(out))
        return Process(self, pid, out)

    def run(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """Call a function in a process of its own and return what it returns."""
        return self.start(function, **arguments).result()

    def gate(self) -> Gate:
        """Return a closed gate."""
        self._count += 1
        return Gate(str(Path(self._folder.name, f"gate{self._count}")))

    def ask(self, **request: Any) -> Any:
        """Send a request to the interpreter that forks, and return its answer."""
        assert self._template.stdin
        assert self._template.stdout
        self._template.stdin.write(json.dumps(request) + "\n")
        self._template.stdin.flush()
        return json.loads(self._template.stdout.readline())


def _serve() -> None:
    import grp  # noqa: F401 - imported for the forks, as all below: some become users who may not read the library

    import numpy  # noqa: F401
    import yaml  # noqa: F401

    from tiffin.plugins import registry

    registry().adapter("picklable").info
    modules: dict[str, ModuleType] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            if request["file"] not in modules:
                modules[request["file"]] = _load(request["file"])
            answer = os.fork()
            if answer == 0:
                _run(getattr(modules[request["file"]], request["function"]), request["arguments"], Path(request["out"]))
        print(answer, flush=True)


def _run(function: Callable[..., Any], arguments: dict[str, Any], out: Path) -> None:
    # Whatever happens, nothing of this process may go on as if it was the one that forks.
    code = 1
    with out.open("w") as file:  # opened first: the function may become a user who may not
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            file.write(json.dumps(function(**arguments)))
            code = 0
        except BaseException:  # noqa: BLE001
            file.write(traceback.format_exc())
        finally:
            file.flush()
            os._exit(code)


def _load(file: str) -> ModuleType:
    name = "test_" + Path(file).stem
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    _serve()

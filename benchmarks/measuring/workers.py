"""Worker processes: a Python of some environment that does what it is asked, and commands that are timed whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from measuring.environments import BENCHMARKS


class Worker:
    """A process that runs a module of benchmarks/ under another Python, and answers one question at a time.

    Args:
        python: the Python.
        module: the module; it calls `serve`.
        environment: variables to set.
    """

    def __init__(self, python: Path, module: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=BENCHMARKS,
            env=clean_environment(environment),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, question: str, **arguments: Any) -> Any:
        """Return what the worker's function of that name returns.

        Raises:
            RuntimeError: it failed; its traceback stands on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([question, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The worker that was asked for {question!r} has ended with {self._process.wait()}")
        return json.loads(line)


def serve(**functions: Callable[..., Any]) -> None:
    """Answer questions until there are no more; called by a worker's module."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not stand among the answers
    for line in sys.stdin:
        question, arguments = json.loads(line)
        answers.write(json.dumps(functions[question](**arguments)) + "\n")
        answers.flush()


def own_folder(variable: str) -> None:
    """Refuse to work in a store that is not the benchmark's own: workers fill stores, and delete what they have filled.

    Raises:
        RuntimeError: the variable does not name a folder that `store.py` has made.
    """
    folder = Path(os.environ.get(variable, ""))
    if not folder.is_absolute() or not folder.parent.name.startswith("stores-"):
        raise RuntimeError(
            f"${variable} is {str(folder)!r}, which is no folder of a benchmark; run benchmarks/store.py"
        )


def time_command(arguments: list[str], environment: Mapping[str, str]) -> float:
    """Return the seconds that a command takes from its start to its end; what it prints is thrown away.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    variables = clean_environment(environment)
    start = time.perf_counter()
    subprocess.run(arguments, check=True, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this process's variables with changes, and without those that change what is imported from where."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TIFFIN_", "BENTOML_"))}
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


def interleave(
    rounds: int, cases: Mapping[str, Callable[[], float | list[float]]], *, progress: str = ""
) -> dict[str, list[float]]:
    """Run every case once per round, so that a disturbance meets all of them; return name → all seconds measured.

    Args:
        rounds: how often.
        cases: name → what returns the seconds of one run or several.
        progress: what to say meanwhile on a terminal.
    """
    found: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds):
        say(f"{progress} {number + 1}/{rounds}" if progress else "")
        for name, case in cases.items():
            taken = case()
            found[name] += taken if isinstance(taken, list) else [taken]
    say("")
    return found


def say(text: str) -> None:
    """Show what goes on, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

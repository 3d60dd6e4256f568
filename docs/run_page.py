"""Run the code of one Markdown page in the current folder, in order, as its reader would.

Usage: python docs/run_page.py [--fresh] PAGE.md

- A `python` fence runs as a part of one program per page; with `>>>` in it, what it prints is compared.
- A comment on the line before a fence says otherwise:
  `<!-- not run: reason -->` leaves a `python` fence out;
  `<!-- file: NAME -->` writes a fence of any language to that file;
  `<!-- run -->` runs the `$ ` commands of a `console` fence in a terminal, 100 columns wide, and compares the output
  that is shown; where none is shown the command has to succeed. `…` stands for anything. White space and the length of
  rules do not count, one made-up version, time, size or digest is as good as any other, and $TIFFIN_HOME is shown as
  `~/.tiffin`;
  `<!-- run beside -->` runs the one command of a `console` fence beside the rest of the page, as in another terminal:
  the page goes on once all is shown that the fence shows, and at its end SIGTERM has to end the command with exit code 0;
  `<!-- run fresh -->` does so only with `--fresh`, in an environment in which the page's packages may be installed.
"""

from __future__ import annotations

import contextlib
import doctest
import errno
import os
import pty
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any, NamedTuple

COLUMNS, LINES = 100, 40

STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What a terminal takes as a colour or style; on a dumb terminal, which knows none, tables would be 80 columns wide."""

FENCE = re.compile(
    r"^(?:<!--\s*(?P<note>(?:(?!-->).)+?)\s*-->\n)?```(?P<language>[\w-]+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

VARIES = {
    r"\b[0-9a-hjkmnp-tv-z]{20}\b": "VERSION",
    r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?": "TIME",
    r"\b[0-9a-f]{64}\b": "DIGEST",
    r"\b\d+(\.\d+)? ([KMGT]i)?B\b": "SIZE",
    r"(\bsize\"?): \d+\b": r"\1: SIZE",
    r"\b\d+\.\d+\.\d+\b": "RELEASE",
    r"\b\d+\.\d+s\b": "SECONDS",
    "─+": "─",
}
"""What differs from run to run, and what stands for it when outputs are compared."""


class Fence(NamedTuple):
    """One fence that is to be run: what to do with it, its code, and the number of the line before its first."""

    action: str
    code: str
    line: int


def fences(page: Path, *, fresh: bool) -> Iterator[Fence]:
    """Yield the fences of a page that are to be run, in order; those for a fresh environment only with `fresh`."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        note, language = match["note"] or "", match["language"]
        line = text.count("\n", 0, match.start("code"))
        if note.startswith("file:"):
            yield Fence(note, match["code"], line)
        elif language == "python" and not re.match(r"not run: \S", note):
            yield Fence("doctest" if ">>>" in match["code"] else "python", match["code"], line)
        elif language == "console" and note == "run beside":
            yield Fence("beside", match["code"], line)
        elif language == "console" and (note == "run" or (fresh and note == "run fresh")):
            yield Fence("console", match["code"], line)


class Checker(doctest.OutputChecker):
    """Compares as `run_console` does: one version stands for any other."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Tell whether an example printed what the page shows."""
        return super().check_output(comparable(want), comparable(got), optionflags)


def run_doctest(fence: Fence, page: Path, namespace: dict[str, Any]) -> None:
    """Run the examples of a fence, and stop the page where one prints something else."""
    test = doctest.DocTestParser().get_doctest(fence.code, {}, page.name, str(page), fence.line)
    # The parser copies the namespace; what later fences define has to be seen by functions of earlier ones.
    test.globs = namespace
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    if runner.run(test, clear_globs=False).failed:
        raise SystemExit(1)


def surroundings() -> dict[str, str]:
    """Return the environment of a command: the programs of this Python's environment come first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TERM": "xterm", "COLUMNS": str(COLUMNS)}


def in_terminal(command: str) -> tuple[int, str]:
    """Return a shell command's exit code and what it shows on a terminal, without its colours."""
    leader, follower = pty.openpty()
    ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with subprocess.Popen(
        command, shell=True, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=surroundings()
    ) as it:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 1 << 16):
                shown += part
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux says that the other side is closed
                raise
        os.close(leader)
    return it.returncode, STYLE.sub("", shown.decode("utf-8").replace("\r\n", "\n"))


def comparable(output: str) -> str:
    """Return an output without what may differ between two runs."""
    if home := os.environ.get("TIFFIN_HOME"):
        output = output.replace(home, "~/.tiffin")
    for pattern, name in VARIES.items():
        output = re.sub(pattern, name, output)
    return "\n".join(" ".join(line.split()) for line in output.splitlines() if line.strip())


def run_console(fence: Fence, page: Path) -> None:
    """Run the commands of a fence, and stop the page where one shows something else."""
    for match in re.finditer(r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)", fence.code, re.MULTILINE):
        code, shown = in_terminal(match["command"])
        expected = comparable(match["output"])
        pattern = re.escape(expected).replace("…", ".*?")
        if not (re.fullmatch(pattern, comparable(shown), re.DOTALL) if expected else code == 0):
            line = fence.line + fence.code.count("\n", 0, match.start()) + 1
            raise SystemExit(
                f"{page}:{line}: $ {match['command']}\nexit code {code}; the page shows:\n{match['output']}\n"
                f"the command shows:\n{shown}"
            )


@contextlib.contextmanager
def running_beside(fence: Fence, page: Path) -> Iterator[None]:
    """Run the command of a fence for the block, from when it has shown what the fence shows; stop the page if it does not."""
    first, _, expected = fence.code.partition("\n")
    program = subprocess.Popen(
        f"exec {first.removeprefix('$ ')}",
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=surroundings() | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        assert program.stdout is not None
        shown = "".join(line for _, line in zip(expected.splitlines(), program.stdout, strict=False))
        if comparable(shown) != comparable(expected):
            raise SystemExit(
                f"{page}:{fence.line + 1}: {first}\nthe page shows:\n{expected}\nthe command shows:\n{shown}"
            )
        yield
        program.terminate()
        if code := program.wait(60):
            raise SystemExit(f"{page}:{fence.line + 1}: {first}\nexit code {code}\n{program.stdout.read()}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def main() -> None:
    """Run the page that the command line names."""
    *options, name = sys.argv[1:]
    page = Path(name)
    os.environ["LOGNAME"] = "ada"  # who does what a page shows, whoever runs it
    # What the page defines lives in __main__, as in a reader's own program: pickling depends on it.
    namespace = sys.modules["__main__"].__dict__
    with contextlib.ExitStack() as stack:
        for fence in list(fences(page, fresh="--fresh" in options)):
            if fence.action == "python":
                # The empty lines make tracebacks name the page's own lines.
                exec(compile("\n" * fence.line + fence.code, str(page), "exec"), namespace)
            elif fence.action == "doctest":
                run_doctest(fence, page, namespace)
            elif fence.action == "console":
                run_console(fence, page)
            elif fence.action == "beside":
                stack.enter_context(running_beside(fence, page))
            else:
                path = Path(fence.action.removeprefix("file:").strip())
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(fence.code, encoding="utf-8")


if __name__ == "__main__":
    main()

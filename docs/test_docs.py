"""The documentation's code runs: the pages under docs/, and every README."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registries import open_registry
from servers import Missing, s3

NEEDS = {"registry": "localhost:5000", "s3": "localhost:9000", "port": "127.0.0.1:3000"}
"""What a page can need, as `<!-- needs: … -->`, and the server that it names instead of the one that runs for it."""
ROOT = Path(__file__).resolve().parent.parent
RUN_PAGE = ROOT / "docs" / "run_page.py"

PACKAGE = re.compile(r"<!-- needs: package (\w+) -->")
"""On a page: what has to be installed for its code to run. It is a heavy plugin's, so the slow tier runs the page."""

PAGES = sorted(
    page
    for pattern in ("README.md", "core/README.md", "plugins/*/README.md", "examples/**/README.md", "docs/**/*.md")
    for page in ROOT.glob(pattern)
    if "_build" not in page.parts and "```" in page.read_text(encoding="utf-8")
)


def run_page(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a page's code in a Python and a folder of its own."""
    command = [sys.executable, str(RUN_PAGE), *options, str(page)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set TIFFIN_HOME to a folder whose path is short: tables that show it must not be folded."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        monkeypatch.setenv("TIFFIN_HOME", folder)
        yield


def parameters() -> Iterator[Any]:
    """Yield each page, marked as slow where it needs a package."""
    for page in PAGES:
        slow = [pytest.mark.slow] if PACKAGE.search(page.read_text(encoding="utf-8")) else []
        yield pytest.param(page, id=str(page.relative_to(ROOT)), marks=slow)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("page", list(parameters()))
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    """What a reader copies works, and shows what the page shows."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        text = page.read_text(encoding="utf-8")
        for package in PACKAGE.findall(text):
            pytest.importorskip(package)
        for need in NEEDS:
            if f"<!-- needs: {need} -->" in text:
                page = stack.enter_context(beside(need, page, tmp_path))
        result = run_page(page, folder)
    assert result.returncode == 0, result.stdout + result.stderr


@contextlib.contextmanager
def beside(need: str, page: Path, folder: Path) -> Iterator[Path]:
    """Run a server for the block, and give a copy of the page that names it in place of the one that readers have."""
    (folder / need).mkdir()
    with contextlib.ExitStack() as stack:
        try:
            if need == "port":
                # The page starts the server itself.
                with socket.create_server(("127.0.0.1", 0)) as held:
                    port = held.getsockname()[1]
                host = f"127.0.0.1:{port}"
            elif need == "registry":
                host = stack.enter_context(open_registry(folder / need)).host
            else:
                server = stack.enter_context(s3(folder / need))
                host = server.params["endpoint_url"].removeprefix("http://")
        except Missing as missing:
            pytest.skip(str(missing))
        copy = folder / page.name
        text = page.read_text(encoding="utf-8").replace(NEEDS[need], host)
        if need == "port":
            command = r"\$ tiffin serve(?: (?:status|rollout|stop)\b)?"
            text = re.sub(command, rf"\g<0> --port {host.rpartition(':')[2]}", text)
        copy.write_text(text, encoding="utf-8")
        yield copy


@pytest.mark.usefixtures("home")
def test_the_first_adapter_can_be_pasted_at_pythons_prompt(tmp_path: Path) -> None:
    """Line by line: an empty line ends a block there, so that none may stand within one."""
    text = (
        (ROOT / "docs" / "tutorial" / "first-adapter.md")
        .read_text(encoding="utf-8")
        .partition("## Make it a package")[0]
    )
    pasted = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[:1])
    asked = "print(tiffin.save('x', NormalDist(170, 8)).framework, tiffin.load('x') == NormalDist(170, 8))\n"
    command = [sys.executable, "-i", "-q"]
    said = subprocess.run(
        command, input=f"{pasted}\n{asked}", cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() == "normal True", said.stderr
    assert "Error" not in said.stderr


PAGE = """
```python
import sys
class Box: pass
```

Text.

```python
>>> Box.__module__, 1 + 1
('__main__', 2)
>>> "a long line".split()
['a', ...]
```

<!-- not run: it would fail -->
```python
1 / 0
```

<!-- file: sub/words.txt -->
```text
one
two
```

<!-- run -->
```console
$ cat sub/words.txt
one
…o
$ test -t 1 && echo a \\
      terminal
a terminal
$ echo iris:01k0tk8rxttkgry6mdkv "$TIFFIN_HOME/store" 12 KiB 2026-01-02 03:04:05
iris:01k0tmmmmmmmmmmmmmmm ~/.tiffin/store   3.4 GiB   2025-10-20 10:20:30
$ true
```

<!-- run beside -->
```console
$ sh -c 'trap "touch ended; exit 0" TERM; echo here I am; while :; do sleep 0.05; done'
here I am
```

<!-- run fresh -->
```console
$ touch installed
```

```console
$ false
```
"""


@pytest.mark.parametrize("fresh", [False, True])
def test_a_page_runs_as_its_reader_would(fresh: bool, tmp_path: Path) -> None:
    """Fences share one program, run in order, and a terminal shows what a reader would see; installs wait for --fresh."""
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    result = run_page(page, tmp_path, *(["--fresh"] if fresh else []))
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "sub" / "words.txt").read_text(encoding="utf-8") == "one\ntwo\n"
    assert (tmp_path / "installed").exists() is fresh
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("class Box: pass", "1 / 0", "page.md\", line 4"),
        ("('__main__', 2)", "('__main__', 3)", "('__main__', 2)"),
        ("…o\n", "three\n", "page.md:29: $ cat sub/words.txt"),
        ("$ true", "$ exit 3", "exit code 3"),
        ("01k0tmmmmmmmmmmmmmmm", "01k0tmm", "12 KiB"),
        ("not run: it would fail", "not run:", "ZeroDivisionError"),
        ("\nhere I am\n", "\nhere I was\n", "here I am"),
        ("ended; exit 0", "ended; exit 7", "exit code 7"),
    ],
)  # fmt: skip
def test_a_page_that_is_wrong_fails(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    """Code that raises, prints something else or exits otherwise fails the page, and names the place."""
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace(right, wrong), encoding="utf-8")
    result = run_page(page, tmp_path)
    assert result.returncode != 0
    assert said in result.stdout + result.stderr

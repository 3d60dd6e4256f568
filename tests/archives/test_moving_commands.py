"""`tiffin models export` and `import` on the command line, with and without a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiffin import Model, models
from tiffin.store import ModelStore


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `tiffin models …` with a home of its own."""

    def run(*arguments: object, home: str = "home") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tiffin", "models", *map(str, arguments)]
        env = {**os.environ, "TIFFIN_HOME": str(tmp_path / home)}
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)

    return run


@pytest.fixture
def saved(tmp_path: Path, make: Callable[..., Model]) -> Model:
    return make(ModelStore(tmp_path / "home" / "store"), {"weights": os.urandom(1 << 16)})


def test_a_model_is_handed_to_a_colleague(saved: Model, run: Any, tmp_path: Path) -> None:
    """Export here, import there, under its own and under another name; a second time only by force."""
    done = run("export", "iris")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Exported iris:v1 to ./iris-v1.tiffin\n", "")
    done = run("import", "iris-v1.tiffin", home="theirs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Imported iris:v1\n", "")
    done = run("import", "iris-v1.tiffin", "--as", "rose:v2", home="theirs")
    assert done.stdout == "Imported rose:v2\n"
    done = run("import", "iris-v1.tiffin", home="theirs")
    assert done.returncode == 4
    assert "--force" in done.stderr
    assert run("import", "iris-v1.tiffin", "--force", home="theirs").returncode == 0
    assert "iris:v1" in run("list", home="theirs").stdout
    assert models.verify(store=ModelStore(tmp_path / "theirs" / "store")) == []


def test_formats_and_targets_are_chosen_by_name_or_option(saved: Model, run: Any, tmp_path: Path) -> None:
    """The ending says the format, `--format` overrules it, and what exists stays unless forced."""
    assert "--parents" in run("export", "iris", "out/x.zip").stderr
    assert run("export", "iris", "out/x.zip", "--parents").stdout == "Exported iris:v1 to out/x.zip\n"
    assert (tmp_path / "out/x.zip").read_bytes()[:2] == b"PK"
    assert run("export", "iris", "out", "--format", "tar.gz").stdout == "Exported iris:v1 to out/iris-v1.tar.gz\n"
    again = run("export", "iris", "out/x.zip")
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert run("export", "iris", "out/x.zip", "--force").returncode == 0
    wrong = run("export", "iris", "--format", "tar.zx")
    assert wrong.returncode == 1
    assert "Did you mean" in wrong.stderr


@pytest.mark.parametrize("name", ["iris.bentomodel", "iris.7z", "iris.gz"])
def test_an_ending_that_promises_another_format_is_refused(name: str, saved: Model, run: Any, tmp_path: Path) -> None:
    """A file of Tiffin's format under it could be opened by nobody who goes by names; `--format` overrules."""
    refused = run("export", "iris", name)
    assert refused.returncode == 1
    assert "Formats are tiffin, tar" in refused.stderr
    assert not (tmp_path / name).exists()
    assert run("export", "iris", name, "--format", "tar").returncode == 0


def test_refusals_are_told_without_a_traceback(saved: Model, run: Any, tmp_path: Path) -> None:
    """A damaged archive, a limit, a missing file: one message, exit code 1, and no model."""
    run("export", "iris", "x.tar")
    whole = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "half.tar").write_bytes(whole[:5000])
    for arguments, what in (
        (["half.tar"], "'weights': it is cut off"),
        (["x.tar", "--max-bytes", "100"], "--max-bytes"),
        (["x.tar", "--max-files", "1"], "--max-files"),
        (["nowhere.tar"], "it is not there"),
    ):
        done = run("import", *arguments, home="theirs")
        assert done.returncode == 1, done
        assert what in done.stderr
        assert "Traceback" not in done.stderr
    assert "v1" not in run("list", home="theirs").stdout


def on_a_terminal(command: list[str], env: dict[str, str], folder: Path) -> str:
    """Run a command with a terminal as its standard error, and return what it wrote there."""
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, stdin=theirs, env=env, cwd=folder
    ) as process:
        os.close(theirs)
        while True:
            try:
                ready, _, _ = select.select([ours], [], [], 60)
                piece = os.read(ours, 65536) if ready else b""
            except OSError:  # the other side has closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_terminal_sees_a_bar_with_size_and_rate(command: str, tmp_path: Path, make: Callable[..., Model]) -> None:
    """What moves, how much of how much, and how fast; the bar is gone at the end."""
    store = ModelStore(tmp_path / "home" / "store")
    model = make(store, {"weights": os.urandom(8 << 20)})
    models.export_model(model, tmp_path / "x.tar", store=store)
    arguments = ["export", "iris", "y.tar.xz"] if command == "export" else ["import", "x.tar", "--as", "rose"]
    env = {**os.environ, "TIFFIN_HOME": str(tmp_path / "home"), "TERM": "xterm-256color", "COLUMNS": "120"}
    shown = on_a_terminal([sys.executable, "-m", "tiffin", "models", *arguments], env, tmp_path)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(rf"{command.title()}ing iris:v1 .*8\.0 MiB", plain), plain
    assert re.search(r"[KMG]iB/s", plain), plain
    assert shown.rstrip().endswith("\x1b[2K") or "\x1b[2K" in shown, "the bar was left on the screen"

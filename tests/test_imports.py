"""What start-up imports: each module below costs 20 to 100 ms, which every command and every script would pay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inside.workers import WORKER_MAIN

SLOW = {"numpy", "pluggy", "attr", "attrs", "yaml", "rich", "cloudpickle", "importlib_metadata", "importlib.metadata"}

REPORT = """
import atexit, json, os, sys
bare = set(sys.modules)
atexit.register(lambda: open(os.environ["REPORT"], "w").write(json.dumps(sorted(set(sys.modules) - bare))))
"""

LIST = """
sys.argv = ["tiffin", "models", "list"]
from tiffin.cli import main
main()
"""


def imported_by(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Run `program` in a Python of its own, and return the names of the modules that it imports."""
    report = tmp_path / "modules.json"
    monkeypatch.setenv("REPORT", str(report))
    command = [sys.executable, "-c", REPORT + program]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(report.read_text(encoding="utf-8")))


def top_level(modules: set[str]) -> set[str]:
    """Return the distributions' own names, without those of the standard library, and without private ones."""
    return {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty TIFFIN_HOME."""
    home = tmp_path / "home"
    monkeypatch.setenv("TIFFIN_HOME", str(home))
    return home


def test_import_tiffin_imports_nothing_slow_and_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`import tiffin` costs what its own small modules cost: all else waits for its first use."""
    modules = imported_by("import tiffin", tmp_path, monkeypatch)
    assert "tiffin" in modules
    assert modules & SLOW == set()
    assert top_level(modules) == {"tiffin"}


def test_models_list_of_an_empty_store_imports_only_what_it_needs(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tiffin models list` where nothing was ever saved needs click and Tiffin's own modules."""
    modules = imported_by(LIST, tmp_path, monkeypatch)
    assert "click" in modules
    assert modules & SLOW == set()
    assert top_level(modules) <= {"tiffin", "click"}


def test_models_list_of_a_filled_store_imports_only_what_it_needs(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tiffin models list` reads the catalog: no record is parsed, no plugin looked at."""
    fill = "import tiffin\nwith tiffin.models.create('raw') as model: (model.path / 'x.txt').write_text('x')\n"
    fill += "print(tiffin.models.list())"
    filled = subprocess.run([sys.executable, "-c", fill], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert filled.returncode == 0, filled.stderr
    modules = imported_by(LIST, tmp_path, monkeypatch)
    assert "sqlite3" in modules
    assert modules & SLOW == set()
    assert top_level(modules) <= {"tiffin", "click"}


def test_commands_of_plugins_import_no_package_that_computes(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All plugins are asked for a command that core has not, and most of them are not meant."""
    found = imported_by(LIST.replace('"models", "list"', '"--help"'), tmp_path, monkeypatch)
    assert top_level(found) & {"numpy", "pandas", "pyarrow", "sklearn", "torch", "granian", "uvloop", "ray"} == set()


def test_a_worker_process_imports_little_before_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker pays for it at each start: at most 25 modules of Tiffin, and of other packages numpy, which frames need."""
    program = f"import {WORKER_MAIN}, tiffin; tiffin.Runnable"
    modules = imported_by(program, tmp_path, monkeypatch)
    assert WORKER_MAIN in modules
    assert len([name for name in modules if name.partition(".")[0] == "tiffin"]) <= 26
    assert top_level(modules) == {"tiffin", "numpy"}
    assert modules & {"asyncio", "subprocess"} == set()


def test_saying_which_kinds_of_values_are_taken_imports_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker says it at each start, and each client: neither plugins nor numpy's slow parts are needed for it."""
    program = "from tiffin.wire import Channel; import socket\n"
    program += "agreement = Channel(socket.socketpair()[0]).agreement\n"
    program += "agreement.hear({'takes': [], 'sends': []}); assert 'pandas.DataFrame' in agreement.greeting()['takes']"
    modules = imported_by(program, tmp_path, monkeypatch)
    assert top_level(modules) == {"tiffin", "numpy"}
    assert modules & {"tiffin.plugins", "numpy.ma.core", "importlib.metadata"} == set()


def test_a_first_load_imports_neither_mail_nor_what_looks_into_files(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was saved here is loaded without readers of mail and YAML, and without what builds of foreign files."""
    fill = "import tiffin\ntiffin.save('answer', {'a': 42}, framework='picklable')"
    subprocess.run([sys.executable, "-c", fill], cwd=tmp_path, capture_output=True, check=True)
    load = "import tiffin\nassert tiffin.load('answer') == {'a': 42}"
    imported_by(load, tmp_path, monkeypatch)  # the catalog knows its record from now on
    modules = imported_by(load, tmp_path, monkeypatch)
    assert "tiffin_picklable" in modules
    needless = {"importlib_metadata", "importlib.metadata", "email.parser", "yaml", "difflib", "zipfile", "logging"}
    assert modules & {*needless, "tiffin.inspection", "tiffin.building"} == set()

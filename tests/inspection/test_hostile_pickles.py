"""Hostile files: none runs, and each is named for what it would import, or refused for what it does."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tiffin.building import Unbuildable, build, core_lists
from tiffin.inspection import Inspection, inspect_file
from tiffin.trust import judge_inspection

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
assert _spec is not None
hostile = importlib.util.module_from_spec(_spec)
sys.modules["hostile"] = hostile
assert _spec.loader is not None
_spec.loader.exec_module(hostile)

PLAIN = hostile.plain()
HAS_JOBLIB = importlib.util.find_spec("joblib") is not None
WRAPPED = [*(hostile.of_joblib() if HAS_JOBLIB else []), *hostile.of_archives()]
LISTS = core_lists()
HARMLESS = {"deep tuples, which are fine", "billion laughs by the memo", "a dtype that changes in use"}


def judge(sample: object, found: Inspection) -> None:
    """Assert that a sample is not built: for what it names, or for what it does."""
    if sample.name in HARMLESS:  # type: ignore[attr-defined]
        return
    refused, problems = judge_inspection(found, LISTS)
    if sample.imports:  # type: ignore[attr-defined]
        assert sample.imports in refused or problems, found  # type: ignore[attr-defined]
    elif not (problems or refused):
        assert found.tape is not None
        with pytest.raises(Unbuildable):
            build(found.tape, LISTS)


@pytest.mark.parametrize("reader", ["pickle", "joblib", "any"])
@pytest.mark.parametrize("sample", PLAIN, ids=lambda sample: sample.name)
def test_a_hostile_pickle_is_named_or_refused_by_every_reader(
    sample: object, reader: str, tmp_path: Path, canary: Path
) -> None:
    """Whoever will read the file, what it would import is listed, or what it does is a problem; nothing of it runs."""
    path = tmp_path / "model.pkl"
    path.write_bytes(sample.data)  # type: ignore[attr-defined]
    judge(sample, inspect_file(path, reader))  # type: ignore[arg-type]


@pytest.mark.parametrize("sample", list(hostile.bombs()), ids=lambda sample: sample.name)
def test_a_bomb_is_refused_or_harmless(sample: object, tmp_path: Path) -> None:
    """What is meant to exhaust memory or time ends at a limit, and counts as a problem where it was not followed."""
    path = tmp_path / "model.pkl"
    path.write_bytes(sample.data)  # type: ignore[attr-defined]
    judge(sample, inspect_file(path, "pickle"))


@pytest.mark.parametrize("sample", WRAPPED, ids=lambda sample: sample.name)
def test_a_hostile_archive_is_named_or_refused(sample: object, tmp_path: Path, canary: Path) -> None:
    """Arrays, compression and archives around a pickle hide nothing."""
    path = tmp_path / "model.bin"
    path.write_bytes(sample.data)  # type: ignore[attr-defined]
    judge(sample, inspect_file(path))


@pytest.mark.parametrize("sample", WRAPPED, ids=lambda sample: sample.name)
def test_what_is_not_a_plain_pickle_is_never_safe_to_a_plain_unpickler(
    sample: object, tmp_path: Path, canary: Path
) -> None:
    """The reader decides: to Python's unpickler a compressed file or an archive is a broken pickle."""
    path = tmp_path / "model.pkl"
    path.write_bytes(sample.data)  # type: ignore[attr-defined]
    found = inspect_file(path, "pickle")
    assert any(judge_inspection(found, LISTS))


def test_the_samples_do_run_when_they_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary works: a sample that is really loaded makes the file."""
    path = tmp_path / "ran"
    monkeypatch.setenv("TIFFIN_TEST_CANARY", str(path))
    pickle.loads(hostile.whole(hostile.SYSTEM))
    assert path.exists()


def test_bombs_take_bounded_memory(tmp_path: Path) -> None:
    """All bombs together stay below 300 MiB above the idle program."""
    paths = []
    for number, sample in enumerate(hostile.bombs()):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(sample.data)
        paths.append(str(path))
    program = (
        "import resource, sys, pathlib\n"
        "from tiffin.inspection import inspect_file\n"
        "idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sys.argv[1:]: inspect_file(pathlib.Path(path), 'pickle')\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) // 1024)\n"
    )
    result = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 300

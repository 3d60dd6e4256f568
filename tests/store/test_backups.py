"""A backup that is made as the guide says, while others write, is whole once it is restored as the guide says."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_processes import Processes, wait_at
from store_states import assert_explained, assert_tidy, mark_of, problems, save

from tiffin.exceptions import ModelExistsError, ModelNotFoundError
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.trash import undelete
from tiffin.store.verifying import verify

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "back-up-a-store.md"
BACK_UP, UNPACK = re.findall(r"^\$ (tar .*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
KEPT = {f"kept:{number}": number for number in range(4)}


def write(root: str, gate: str, stop: str, *, seed: int) -> int:
    """Save, replace, delete, restore and name versions of x until a file says that it is enough; returns how often."""
    store, chance, done = ModelStore(root), random.Random(seed), 0
    wait_at(gate)
    while not Path(stop).exists():
        tag, kind = f"x:{chance.randrange(6)}", chance.random()
        try:
            if kind < 0.5:
                save(store, tag, done, overwrite=kind < 0.25, size=chance.choice([200, 100_000]))
            elif kind < 0.7:
                store.delete(tag, force=True)
            elif kind < 0.8:
                undelete(store, tag)
            else:
                store.set_alias(tag, "prod")
        except (ModelNotFoundError, ModelExistsError):
            continue
        done += 1
    return done


@pytest.fixture
def writers(store: ModelStore, processes: Processes, tmp_path: Path) -> Iterator[None]:
    """Let three processes write while the test runs."""
    gate, stop = processes.gate(), tmp_path / "stop"
    started = [
        processes.start(write, root=str(store.path), gate=gate.path, stop=str(stop), seed=seed) for seed in range(3)
    ]
    gate.open()
    yield
    stop.touch()
    assert all(process.result() for process in started)


@pytest.mark.parametrize(
    "missing", ["staging", "partial", "journal", "origins", "arrivals", "signatures", "blobs", "trash", "aliases"]
)
def test_a_copy_of_which_folders_were_left_out_is_collected_and_changed(
    tmp_path: Path, store: ModelStore, missing: str
) -> None:
    """What holds nothing for long, or can be missed, is made again by whoever needs it."""
    for number in (1, 2):
        save(store, f"x:{number}", number)
    copy = ModelStore(shutil.copytree(store.path, tmp_path / "copy", ignore=shutil.ignore_patterns(missing)))
    (copy.path / "aliases" / "x").mkdir(parents=True)
    (copy.path / "aliases" / "x" / "gone").write_text("9\n")
    assert gc(copy).aliases == ["x:gone"]
    shutil.rmtree(copy.path / missing, ignore_errors=True)
    verify(copy)
    copy.set_alias("x:1", "prod")
    copy.edit("x:1", labels={"mark": "1", "a": "b"})
    copy.delete("x:2")
    undelete(copy, "x:2")
    save(copy, "x:3", 3)
    assert_tidy(copy)


@pytest.mark.slow
def test_a_backup_beside_writers_is_whole_but_for_what_verify_names(
    tmp_path: Path, store: ModelStore, request: pytest.FixtureRequest
) -> None:
    """Whatever nobody touched is there; of what was changed meanwhile some may be half, and goes as the guide says."""
    for tag, number in KEPT.items():
        save(store, tag, number, size=50_000)
    store.set_alias("kept:1", "prod")
    store.delete("kept:0")
    request.getfixturevalue("writers")
    for turn in range(6):
        folder = tmp_path / str(turn)
        (folder / "restored").mkdir(parents=True)
        made = run(BACK_UP, folder, store)
        assert made.returncode in (0, 1, 2), made.stderr  # some files went away while it read
        assert run(UNPACK, folder, store).returncode == 0
        restored = ModelStore(folder / "restored" / "store")
        for problem in problems(restored):
            assert problem.tag.startswith("x:"), problem
            if "alias" not in problem.what:
                restored.delete(problem.tag, force=True, now=True)
        gc(restored)
        assert problems(restored) == []
        assert {str(model.tag): mark_of(model.load()) for model in restored.list("kept")} == {
            tag: number for tag, number in KEPT.items() if number
        }
        assert restored.aliases("kept") == {"prod": "1"}
        assert mark_of(undelete(restored, "kept:0").load()) == 0
        for model in (one for one in restored.list() if one.name == "x"):
            mark_of(model.load())
        assert_explained(restored)


def run(command: str, folder: Path, store: ModelStore) -> subprocess.CompletedProcess[str]:
    """Run a command of the guide."""
    env = {**os.environ, "TIFFIN_HOME": str(store.path.parent)}
    return subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False)

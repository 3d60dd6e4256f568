"""Two hundred processes that work on one store are killed at random moments; the store stays whole."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from store_processes import Processes
from store_states import assert_tidy, mark_of, problems, save, snapshot

from tiffin.store import ModelStore
from tiffin.store.gc import gc

KILLS = 200
LARGE = 200_000  # numbers: a buffer that has a file of its own


def work(root: str, seed: int, *, turns: int = 1_000_000) -> None:
    """Change the store at random."""
    store = ModelStore(root)
    chance = random.Random(seed)
    for _ in range(turns):
        mark = chance.randrange(1000)
        size = LARGE if chance.random() < 0.1 else 200
        kind = chance.choice(
            ["save", "save", "overwrite", "overwrite", "delete", "edit", "alias", "create", "gc", "load"]
        )
        models = [model for model in store.list() if model.name != "kept"]
        if kind == "save" or not models:
            save(store, f"a{chance.randrange(4)}", mark, size=size)
        elif kind == "overwrite":
            save(store, f"b:{chance.randrange(3)}", mark, overwrite=True, size=size)
        elif kind == "create":
            with store.create(f"c:{chance.randrange(2)}", overwrite=True) as new:
                (new.path / "mark.txt").write_text(str(mark))
        elif kind == "gc":
            gc(store)
        else:
            model = chance.choice(models)
            if kind == "delete" or len(models) > 12:
                store.delete(model.tag, force=True, now=chance.random() < 0.5)
            elif kind == "edit":
                store.edit(model.tag, metadata={"edited": mark})
            elif kind == "alias":
                store.set_alias(model.tag, chance.choice(["prod", "test"]))
            elif model.framework:
                mark_of(model.load())


@pytest.mark.slow
def test_two_hundred_kills_at_random_moments_leave_every_model_whole(tmp_path: Path, processes: Processes) -> None:
    """After each kill all models can be listed, got and loaded, none is half there, and those that nobody touched stay."""
    root = tmp_path / "store"
    store = ModelStore(root)
    for mark in (1, 2):
        save(store, f"kept:{mark}", mark, size=LARGE if mark == 2 else 200)
    kept = snapshot(store)
    begin = time.perf_counter()
    processes.run(work, root=str(root), seed=0, turns=10)
    span = min(time.perf_counter() - begin, 0.3)
    chance = random.Random(20240607)
    before, changes = kept, 0
    for kill in range(KILLS):
        process = processes.start(work, root=str(root), seed=kill)
        time.sleep(chance.random() * span)  # the random moment
        process.kill()
        assert process.wait() == -9
        now = snapshot(ModelStore(root))
        assert kept.items() <= now.items()
        changes += now != before
        before = now
        if kill % 10 == 0:
            # A deletion that was killed half-way may leave an alias that means nothing any more; gc removes it.
            assert [problem for problem in problems(store) if "/aliases/" not in problem.path] == []
    assert changes > KILLS / 10  # else they were killed before they did anything
    assert_tidy(store)

"""Lists of thousands of models, and finding one of them, through the Python API."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from measuring.results import Figure
from measuring.workers import Worker, interleave

from store_sections.options import Options

TITLE = "Lists and look-ups in Python"
SIZES = {"5,000 x 1": (5000, 1), "50 x 100": (50, 100), "1,000 x 100": (1000, 100)}


def measure(options: Options) -> list[Figure]:
    """Return the section's figures."""
    figures = []
    for number, (name, (names, versions)) in enumerate(SIZES.items()):
        home = {"TIFFIN_HOME": str(options.folder / f"listing-{number}")}
        with Worker(options.tiffin, "store_sections.in_tiffin", home) as worker:
            worker.ask("fill", names=names, versions=versions)
        figures += _lists(options, f"{name} models", names * versions, home)
        shutil.rmtree(home["TIFFIN_HOME"])
    return [*figures, *_bentoml(options), *_after_save(options)]


def _lists(options: Options, what: str, count: int, home: dict[str, str]) -> list[Figure]:
    few = count > 10_000

    def fresh() -> float:
        with Worker(options.tiffin, "store_sections.in_tiffin", home) as worker:
            first: list[float] = worker.ask("list_all", times=1)
            return first[0]

    with Worker(options.tiffin, "store_sections.in_tiffin", home) as worker:
        cases: dict[str, Callable[[], float | list[float]]] = {
            "first": fresh,
            "again": lambda: worker.ask("list_all", times=1 if few else 3),
            "newest": lambda: worker.ask("get", tag="model-00003:latest", times=20),
        }
        times = interleave(options.rounds(5 if few else 10), cases, progress=f"list, {what}")
        limit = 1200 if few else 60
        figures = [
            Figure(f"models.list(), {what}, first in a process", times["first"], limit=limit),
            Figure(f"models.list(), {what}, again", times["again"], limit=limit),
        ]
        if not few:
            rebuilt = interleave(options.rounds(3), {"rebuild": lambda: worker.ask("rebuild")}, progress="rebuild")
            figures.append(Figure(f"models.list(), {what}, catalog rebuilt", rebuilt["rebuild"], "s", limit=4))
        figures.append(Figure(f'get("x:latest"), {what}', times["newest"], limit=1))
    return figures


def _after_save(options: Options) -> list[Figure]:
    home = {"TIFFIN_HOME": str(options.folder / "after-save")}
    with Worker(options.tiffin, "store_sections.in_tiffin", home) as worker:
        worker.ask("prepare")
        few = worker.ask("get_after_save", times=20)
        worker.ask("save", times=300)
        many = worker.ask("get_after_save", times=30)
    return [
        Figure('get("x:latest") right after a save, 20 versions', few, limit=1),
        Figure('get("x:latest") right after a save, 300 versions', many, limit=1),
    ]


def _bentoml(options: Options) -> list[Figure]:
    if options.bentoml is None:
        return []
    home = {"BENTOML_HOME": str(options.folder / "bentoml-listing"), "BENTOML_DO_NOT_TRACK": "True"}
    with Worker(options.bentoml, "store_sections.in_bentoml", home) as worker:
        worker.ask("prepare")
        newest = worker.ask("get", times=100)
        worker.ask("fill", count=5000)
        listed = [worker.ask("list_all")]
    return [
        Figure("BentoML: models.list() of 5,000", listed, "s"),
        Figure('BentoML: models.get("x:latest")', newest),
    ]

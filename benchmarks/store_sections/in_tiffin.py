"""What runs within Tiffin's environment; answers questions of the sections."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Any

from measuring.workers import own_folder, serve

import tiffin

_estimator: Any = None


def prepare() -> None:
    """Train the small model, and save and load it once: what is imported late shall not be timed."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    global _estimator
    _estimator = LogisticRegression(max_iter=200).fit(*load_iris(return_X_y=True))
    tiffin.save("iris", _estimator)
    tiffin.load("iris:latest")


def save(times: int) -> list[float]:
    """Save the small model; return the seconds of each save."""
    taken = []
    for _ in range(times):
        _change()
        taken.append(_timed(lambda: tiffin.save("iris", _estimator)))
    return taken


def load(times: int) -> list[float]:
    """Load the newest small model; return the seconds of each load."""
    return [_timed(lambda: tiffin.load("iris:latest")) for _ in range(times)]


def get(tag: str, times: int) -> list[float]:
    """Look a tag up; return the seconds of each time."""
    return [_timed(lambda: tiffin.get(tag)) for _ in range(times)]


def get_after_save(times: int) -> list[float]:
    """Look the newest version up right after a save; return the seconds of each time."""
    taken = []
    for _ in range(times):
        _change()
        saved = tiffin.save("iris", _estimator)
        start = time.perf_counter()
        found = tiffin.get("iris:latest")
        taken.append(time.perf_counter() - start)
        assert found == saved
    return taken


def pickle_save(times: int) -> list[float]:
    """Write the small model as a pickle to a new file, sync it, and rename it into place; return the seconds of each."""
    folder = Path(os.environ["TIFFIN_HOME"], "pickles")
    folder.mkdir(exist_ok=True)

    def work() -> None:
        with (folder / "new").open("wb") as file:
            pickle.dump(_estimator, file, protocol=5)
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder / "new", folder / "iris.pkl")  # noqa: PTH105 - what a careful person writes
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    taken = []
    for _ in range(times):
        _change()
        taken.append(_timed(work))
    return taken


def pickle_load(times: int) -> list[float]:
    """Read that pickle; return the seconds of each time."""
    path = Path(os.environ["TIFFIN_HOME"], "pickles", "iris.pkl")

    def work() -> None:
        with path.open("rb") as file:
            pickle.load(file)

    return [_timed(work) for _ in range(times)]


def fill(names: int, versions: int) -> None:
    """Fill the store; see `synthetic.fill`."""
    from store_sections.synthetic import fill

    fill(str(tiffin.models.default_store().path), names, versions)


def list_all(times: int) -> list[float]:
    """List the store; return the seconds of each time."""
    return [_timed(tiffin.models.list) for _ in range(times)]


def rebuild() -> float:
    """List the store after the catalog was deleted, as by a person; return the seconds."""
    root = tiffin.models.default_store().path
    for path in root.glob("catalog.sqlite*"):
        path.unlink()
    return _timed(tiffin.models.list)


def note(name: str, entries: int) -> None:
    """Save two versions, and move an alias between them, as a journal of so many entries tells it."""
    from itertools import cycle, islice

    for version in (1, 2, 1, 2):
        if tiffin.models.default_store().versions(name)[1:] == []:
            with tiffin.models.create(f"{name}:{version}"):
                pass
        tiffin.models.set_alias(f"{name}:{version}", "prod")
    journal = tiffin.models.default_store().path / "journal" / name
    *first, back, forth = journal.read_text(encoding="utf-8").splitlines()
    moves = islice(cycle([back, forth]), 2 * ((entries - len(first)) // 2))
    journal.write_text("\n".join([*first, *moves]) + "\n", encoding="utf-8")


def _change() -> None:
    # What is saved again unchanged needs less: its content is in the store already.
    _estimator.coef_[0, 0] += 1e-9


def _timed(work: Any) -> float:
    start = time.perf_counter()
    result = work()
    taken = time.perf_counter() - start
    del result
    return taken


if __name__ == "__main__":
    own_folder("TIFFIN_HOME")
    serve(
        prepare=prepare,
        save=save,
        load=load,
        get=get,
        get_after_save=get_after_save,
        pickle_save=pickle_save,
        pickle_load=pickle_load,
        fill=fill,
        list_all=list_all,
        rebuild=rebuild,
        note=note,
    )

"""What runs within BentoML's environment; answers questions of the sections."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import bentoml
from measuring.workers import own_folder, serve
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

_estimator: Any = None


def prepare() -> None:
    """Train the small model, and save and load it once: what is imported late shall not be timed."""
    global _estimator
    _estimator = LogisticRegression(max_iter=200).fit(*load_iris(return_X_y=True))
    bentoml.sklearn.save_model("iris", _estimator)
    bentoml.sklearn.load_model("iris:latest")


def save(times: int) -> list[float]:
    """Save the small model; return the seconds of each save."""
    taken = []
    for _ in range(times):
        _change()
        taken.append(_timed(lambda: bentoml.sklearn.save_model("iris", _estimator)))
    return taken


def load(times: int) -> list[float]:
    """Load the small model; return the seconds of each load."""
    return [_timed(lambda: bentoml.sklearn.load_model("iris:latest")) for _ in range(times)]


def get(times: int) -> list[float]:
    """Look the newest version up; return the seconds of each time."""
    return [_timed(lambda: bentoml.models.get("iris:latest")) for _ in range(times)]


def list_all() -> float:
    """List the store; return the seconds."""
    return _timed(bentoml.models.list)


def fill(count: int) -> None:
    """Fill the store with `count` names of one version each, all copies of one model."""
    tag = bentoml.sklearn.save_model("template", _estimator).tag
    # Not the path that the returned model gives: that one is of a temporary folder, outside the store.
    models = Path(os.environ["BENTOML_HOME"], "models")
    folder = models / "template" / str(tag.version)
    record = (folder / "model.yaml").read_text()
    for number in range(count):
        name = f"model-{number:05}"
        target = models / name / str(tag.version)
        shutil.copytree(folder, target)
        (target / "model.yaml").write_text(record.replace("name: template", f"name: {name}", 1))
        (target.parent / "latest").write_text(str(tag.version))
    bentoml.models.delete(tag)


def _change() -> None:
    # What is saved again unchanged needs less: its content is in the store already.
    _estimator.coef_[0, 0] += 1e-9


def _timed(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    own_folder("BENTOML_HOME")
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    serve(prepare=prepare, save=save, load=load, get=get, list_all=list_all, fill=fill)

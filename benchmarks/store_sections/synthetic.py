"""Stores of thousands of models, made fast: one model is saved, and its folder written again under other tags.

Runs within Tiffin's environment. The records differ only in name, version and time, so they are made from the text of the
first one; nothing is synced.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import time
from pathlib import Path

_LINKS = 30_000  # file systems allow some ten thousands per file
_HOUR_NS = 3600 * 10**9


def fill(root: str, names: int, versions: int) -> None:
    """Fill a new store with `names` names of `versions` versions each, all of one small scikit-learn model.

    Args:
        root: the store's folder.
        names: how many; they are called model-00000 and so on.
        versions: how many of each.
    """
    from sklearn.linear_model import LogisticRegression

    from tiffin import ModelStore, tags

    store = ModelStore(root)
    points = [[0.0, 0.0, 1.0, 2.0], [1.0, 1.0, 0.5, 1.5], [2.0, 1.0, 0.0, 0.0], [3.0, 0.5, 0.1, 0.7]]
    estimator = LogisticRegression().fit(points, [0, 0, 1, 1])
    first = store.save(
        "template",
        estimator,
        labels={"stage": "dev", "team": "vision"},
        metadata={"accuracy": 0.97, "data": "toy"},
        input_example=points,
    )
    folder = first.path
    text = (folder / "model.yaml").read_bytes().rpartition(b"digest: sha256:")[0]
    created = next(line for line in text.splitlines() if line.startswith(b"creation_time:"))
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "model.yaml"]
    shared = 0
    old = time.time_ns() - _HOUR_NS
    for number in range(names):
        name = f"model-{number:05}"
        parent = Path(store.models_folder, name)
        parent.mkdir()
        for _ in range(versions):
            version, microseconds = tags.new_version()
            when = datetime.datetime.fromtimestamp(microseconds / 1e6, datetime.UTC)
            body = text.replace(b"name: template", f"name: {name}".encode(), 1)
            body = body.replace(str(first.version).encode(), version.encode(), 1)
            body = body.replace(created, b"creation_time: " + str(when).encode(), 1)
            target = parent / version
            target.mkdir()
            (target / "model.yaml").write_bytes(
                body + b"digest: sha256:" + hashlib.sha256(body).hexdigest().encode() + b"\n"
            )
            for path in files:
                os.link(path, target / path.name)
            shared += 1
            if shared % _LINKS == 0:
                files = [_copy(path, Path(root).parent / "copies" / str(shared)) for path in files]
        # Folders that were changed just now are read again by each list; these shall look as after an hour.
        os.utime(parent, ns=(old, old))
    store.delete(first.tag)
    store.list()


def _copy(path: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy

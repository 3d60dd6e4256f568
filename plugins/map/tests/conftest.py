"""Models that answer rows, and files of rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tiffin

MODELS = """
import os
import time

import numpy as np


class Sums:
    "Adds up each row; says no to negative numbers, dies of 666."

    def predict(self, rows):
        if (rows < 0).any() or not np.isfinite(rows).all():
            raise ValueError("negative numbers are not for sums")
        if (rows == 666).any():
            os._exit(9)
        if (rows == 555).any():
            time.sleep(60)  # hangs: its call is given up long before
        return rows.sum(axis=1)

    def both(self, rows):
        return np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1)

    def short(self, rows):
        return rows[:1].sum(axis=1)

    def whole(self, rows):
        return rows.mean()


class Frames:
    "Takes frames, and answers with frames."

    def predict(self, frame):
        return frame.assign(total=frame["x"] + frame["y"])[["total"]]


class Texts:
    "Takes a list of texts."

    def predict(self, texts):
        return [text.upper() for text in texts]
"""

ADAPTER = """
import pickle

from tiffin import hookimpl


@hookimpl
def context_info():
    return {"types": [f"mapped_models.{name}" for name in ("Sums", "Frames", "Texts")], "code_files": ["*.bin"]}


@hookimpl
def save(model, path):
    (path / "model.bin").write_bytes(pickle.dumps(model))


@hookimpl
def load(path):
    return pickle.loads((path / "model.bin").read_bytes())
"""
BY_ROW = {"batchable": True}


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the models' classes and what stores them; it is importable."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "mapped_models.py").write_text(MODELS, encoding="utf-8")
    (folder / "mapped_adapter.py").write_text(ADAPTER, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def store(store_home: Path, models_folder: Path) -> Iterator[Path]:
    """Give the test a store with a model of each kind, and return its folder."""
    import mapped_adapter
    import mapped_models as models

    tiffin.register(mapped_adapter, "mapped")
    signatures: dict[str, Any] = {"predict": BY_ROW, "both": BY_ROW, "short": BY_ROW, "whole": {"batchable": False}}
    tiffin.save("sums:1", models.Sums(), signatures=signatures)
    tiffin.save("texts", models.Texts(), signatures={"predict": BY_ROW})
    yield store_home
    tiffin.unregister("mapped")


@pytest.fixture
def table() -> pa.Table:
    """Return 1,000 rows: an id, and two columns of numbers."""
    numbers = np.random.default_rng(0)
    return pa.table({"id": np.arange(1000), "x": numbers.random(1000), "y": numbers.random(1000)})

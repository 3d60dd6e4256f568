"""Names that programs of other tools write mean here what they mean there."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

import tiffin
from tiffin.signatures import ModelSignature


def test_tags_and_signatures_are_made_by_their_older_names() -> None:
    """Of text, of a tag, and of a mapping."""
    tag = tiffin.Tag("iris", "1")
    assert tiffin.Tag.from_str("iris:1") == tag
    assert tiffin.Tag.from_taglike("iris:1") == tag
    assert tiffin.Tag.from_taglike(tag) is tag
    assert ModelSignature.from_dict({"batchable": True}) == ModelSignature(batchable=True)


def test_a_model_is_loaded_by_its_older_name(table: Any) -> None:
    """`load_model` of a model is `load`."""
    assert tiffin.save("iris:1", table).load_model().lookup("a") == 1


def test_labels_may_be_numbers(table: Any) -> None:
    """They are text from then on, and found by it; also when they are changed."""
    given = {"round": 3, "done": True, "share": np.float32(0.5), "count": np.int64(2), "well": np.bool_(False)}
    model = tiffin.save("iris:1", table, labels=given)
    assert model.labels == {"round": "3", "done": "true", "share": "0.5", "count": "2", "well": "false"}
    tiffin.models.label("iris:1", round=4)
    assert [found.labels["round"] for found in tiffin.models.list(labels={"round": "4"})] == ["4"]


def test_a_runner_is_asked_and_ended_by_its_older_names(table: Any) -> None:
    """`runner_handle_is_ready`, which is awaited, is `ready`, and `destroy` is `stop`."""
    runner = tiffin.save("iris:1", table).to_runner()
    assert not asyncio.run(runner.runner_handle_is_ready())
    runner.init_local()
    assert asyncio.run(runner.runner_handle_is_ready(timeout=1))
    runner.destroy()
    assert not asyncio.run(runner.runner_handle_is_ready())

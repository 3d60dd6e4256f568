"""Type-checked, never run: what a model author writes passes, and what is wrong is found.

mypy --strict refuses an ignore that nothing needs: each `type: ignore` here stands for an error that must be found.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, assert_type

import tiffin
from tiffin import Model, ModelSignature, ModelStore, Tag
from tiffin.exceptions import ModelNotFoundError, TiffinError


def saves(obj: object) -> Model:
    """Save in each way."""
    tiffin.save("iris", obj)
    tiffin.save(Tag("iris", "1"), obj, overwrite=True, store=ModelStore("/models"))
    tiffin.save(name=1, model=obj)  # type: ignore[arg-type]
    tiffin.save("iris", obj, labels={"stage": 1})  # type: ignore[dict-item]
    tiffin.save("iris")  # type: ignore[call-arg]
    return tiffin.save(
        "iris",
        obj,
        signatures={"predict": {"batchable": True}, "score": ModelSignature()},
        labels={"stage": "dev"},
        metadata={"accuracy": 0.9, "day": datetime.date.today()},
        custom_objects={"scaler": object()},
        partial_kwargs={"predict": {"threshold": 0.5}},
        input_example=[[1.0]],
        compression=3,
    )


def reads(tag: str) -> None:
    """Read what was saved."""
    model = tiffin.get(tag)
    assert_type(model, Model)
    assert_type(model.tag, Tag)
    assert_type(model.path, Path)
    assert_type(model.labels, "dict[str, str]")
    assert_type(model.creation_time, datetime.datetime)
    assert_type(model.info.signatures, "dict[str, ModelSignature]")
    assert_type(model.path_of("x"), Path)
    assert_type(tiffin.load(tag), Any)
    assert_type(tiffin.models.list(), "list[Model]")
    model.tga  # type: ignore[attr-defined]
    tiffin.get(tag).labels = {}  # type: ignore[misc]
    changed = model.with_options(partial_kwargs={"predict": {"threshold": 0.1}})
    assert_type(changed, Model)
    found: list[Model] = tiffin.models.list("iris", labels={"stage": None}, framework="sklearn")
    print(found)


def changes(tag: str) -> None:
    """Change what was saved."""
    assert_type(tiffin.models.delete(tag), list[Tag])
    assert_type(tiffin.models.prune("iris", 3), "list[Tag]")
    assert_type(tiffin.models.aliases("iris"), "dict[str, str]")
    tiffin.models.label(tag, stage="prod", old=None)
    tiffin.models.set_alias(tag, "prod")
    with tiffin.models.create("raw", metadata={"a": 1}) as new:
        (new.path / "x").write_text("x")
        assert_type(new.tag, Tag)
    try:
        tiffin.get(tag)
    except ModelNotFoundError as error:
        assert_type(error.tag, str)
    except TiffinError as error:
        assert_type(error.fix, str)


def frameworks(obj: object) -> None:
    """The modules of frameworks are made from the installed adapters, which a type checker does not know."""
    saved = tiffin.sklearn.save_model("iris", obj)
    print(saved.tag)

"""`backend="auto"` goes by what the runnable says of the GIL, and an explanation says which it is and why."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy
import pytest

import tiffin
from inside.runners import _backends
from tiffin.runners import Runnable, Runner

X = numpy.ones((1, 2))


class Light(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, x: Any) -> Any:
        return x

    @Runnable.method
    async def later(self) -> int:
        return 1


class Holding(Light):
    HOLDS_GIL = True


class Leaving(Light):
    HOLDS_GIL = False


def explained(runnable: type[Runnable], backend: Any, **options: Any) -> set[str]:
    """Return what the explanations of all ways to call say of the back end."""
    with Runner(runnable, backend=backend, **options) as runner:
        predict = runner.predict.options(explain=True)
        answers = [predict.run(X), asyncio.run(predict.async_run(X)), runner.later.options(explain=True).run()]
        return {answer.explanation.backend for answer in answers}


@pytest.mark.parametrize(
    ("runnable", "processors", "said"),
    [
        (Light, 8, "local: nothing says that its methods hold the GIL for long (HOLDS_GIL)"),
        (Leaving, 8, "local: its methods leave the GIL to others while they compute, as it says (HOLDS_GIL)"),
        (Holding, 8, "process: its methods hold the GIL for long, as it says (HOLDS_GIL)"),
        (Holding, 1, "local: its methods hold the GIL, but there is one processor only"),
    ],
)
def test_auto_chooses_by_what_the_class_says_and_explains_it(
    monkeypatch: pytest.MonkeyPatch, runnable: type[Runnable], processors: int, said: str
) -> None:
    """Whichever it is, every explanation says so, and why."""
    monkeypatch.setattr(_backends, "available_processors", lambda: processors)
    assert explained(runnable, "auto") == {said}
    if said.startswith("process"):
        assert Runner(runnable, backend="auto", spares=1).engine.backend.inline is False


def test_a_back_end_that_was_chosen_is_explained_by_its_name(tmp_path: Path) -> None:
    """Attached clients hear it too."""
    assert explained(Light, "process") == {"process"}
    with Runner(Light) as runner, Runner.attach(runner.listen(tmp_path / "own" / "socket")) as attached:
        assert attached.predict.options(explain=True).run(X).explanation.backend == "local"


def test_a_stored_model_says_what_its_adapter_says_and_stays_here_unless_asked() -> None:
    """`to_runner()` is local; what `holds_gil` says counts for "auto" only."""

    class Adapter:
        @tiffin.hookimpl
        def context_info(self) -> Any:
            return {"types": [f"{__name__}.Thing"], "holds_gil": True, "signatures": {"predict": {"batchable": True}}}

        @tiffin.hookimpl
        def save(self, model: Any, path: Path) -> None:
            (path / "thing").touch()

        @tiffin.hookimpl
        def load(self, path: Path, trusted: bool) -> Any:
            return Thing()

    tiffin.register(Adapter(), name="holding")
    try:
        model = tiffin.save("thing", Thing(), framework="holding")
        assert model.to_runnable().HOLDS_GIL is True
        assert model.to_runner().engine.place == "local"
        assert model.to_runner().engine.backend.inline
    finally:
        tiffin.unregister("holding")


class Thing:
    def predict(self, x: Any) -> Any:
        return x

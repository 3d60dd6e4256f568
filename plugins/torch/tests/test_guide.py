"""BentoML's guide for PyTorch, as its users know it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.runners import Runner

torch = pytest.importorskip("torch")


class Mnist(torch.nn.Module):  # type: ignore[misc]
    """The guide's model, smaller."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))

    def forward(self, images: Any) -> Any:
        return self.layers(images)


class Tokenizer:
    """The guide's custom object."""

    def __call__(self, text: str) -> list[str]:
        return text.split()


class Series(torch.nn.Module):  # type: ignore[misc]
    """Takes series of steps, with the batch along axis 1, as recurrent modules do."""

    def forward(self, steps: Any) -> Any:
        return steps.cumsum(0)


def test_the_call_of_the_guide_works() -> None:
    """Saved, found, loaded and run, under both names."""
    mnist = Mnist()
    model = tiffin.torch.save_model(
        "demo_mnist",
        mnist,
        labels={"owner": "nlp_team", "stage": "dev"},
        metadata={"acc": 0.9, "cv_stats": [0.88, 0.92]},
        custom_objects={"tokenizer": Tokenizer()},
        signatures={"__call__": {"batchable": True, "batch_dim": 0}},
    )
    assert tiffin.pytorch.get("demo_mnist:latest").tag == model.tag
    assert model.custom_objects["tokenizer"]("to be") == ["to", "be"]
    loaded = tiffin.pytorch.load_model("demo_mnist:latest", device="cpu")
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(loaded(images), mnist(images))
    runner = tiffin.pytorch.get("demo_mnist:latest").to_runner()
    runner.init_local(quiet=True)
    try:
        answer = runner.run(np.ones((1, 1, 28, 28), dtype="float32"))
        assert torch.allclose(answer, mnist(torch.ones(1, 1, 28, 28)))
    finally:
        runner.stop()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", ["local", "process", "attached"])
def test_calls_merge_along_the_axis_of_the_signature(place: str, axis: int, tmp_path: Path) -> None:
    """Each caller gets its own rows, in each place."""
    module = Mnist() if axis == 0 else Series()
    signatures: Any = {"__call__": {"batchable": True, "batch_dim": axis}}
    model = tiffin.torch.save_model("guide", module, signatures=signatures, external_modules=[__name__])
    inputs = [torch.rand(rows, 1, 28, 28) if axis == 0 else torch.rand(4, rows, 2) for rows in (1, 2, 3, 1)]

    async def ask(runner: Any) -> list[Any]:
        return list(await asyncio.gather(*map(runner.async_run, inputs)))

    with model.to_runner(backend="local" if place == "local" else "process") as runner:
        if place == "attached":
            tmp_path.chmod(0o700)
            with Runner.attach(runner.listen(tmp_path / "socket")) as attached:
                answers = asyncio.run(ask(attached))
        else:
            answers = asyncio.run(ask(runner))
    for answer, value in zip(answers, inputs, strict=True):
        assert torch.allclose(answer, module(value), atol=1e-6)

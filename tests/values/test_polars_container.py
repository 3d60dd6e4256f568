"""A plugin's container, as plugins wrote them before kinds of values: it goes on to work for a release, and warns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pytest

import tiffin
from tiffin import hookimpl
from tiffin.batching import BatchContainer
from tiffin.runners import Runnable, Runner
from tiffin.values import registry

polars = pytest.importorskip("polars")


class PolarsContainer(BatchContainer):
    """Frames of polars, one below the other."""

    def count_rows(self, value: Any, axis: int) -> int:
        if axis != 0:
            raise ValueError(f"the rows of a polars frame lie along axis 0, not {axis}")
        return int(value.height)

    def compatibility_key(self, value: Any, axis: int) -> Hashable:
        return tuple(value.schema.items())

    def concatenate(self, values: Sequence[Any], axis: int) -> Any:
        return polars.concat(values, rechunk=False)

    def slice_rows(self, value: Any, start: int, stop: int, axis: int) -> Any:
        return value.slice(start, stop - start)

    def detach(self, part: Any) -> Any:
        # A slice keeps all columns of the frame that it is cut from.
        return part.select(polars.all().gather(polars.int_range(polars.len())))


class PolarsPlugin:
    """A plugin of the group `tiffin.plugins`."""

    @hookimpl
    def batch_containers(self) -> Mapping[str, BatchContainer]:
        return {"polars.DataFrame": PolarsContainer()}


class Prices(Runnable):
    """Computes with whole frames; the first call waits until it is told to go on, so that others gather."""

    def __init__(self) -> None:
        self.heights: list[int] = []
        self.entered, self.leave = threading.Event(), threading.Event()

    @Runnable.method(batchable=True)
    def total(self, frame: Any) -> Any:
        self.heights.append(frame.height)
        self.entered.set()
        assert self.leave.wait(20)
        return frame.select(polars.col("item"), total=polars.col("price") * polars.col("count"))


@pytest.fixture
def polars_plugin() -> Iterator[None]:
    """Register the plugin, and forget it and its container afterwards."""
    tiffin.register(PolarsPlugin(), name="polars_frames")
    before = list(registry.named.values())
    yield
    tiffin.unregister("polars_frames")
    registry.forget([kind for kind in registry.named.values() if kind not in before])


def frame(item: str, price: float, rows: int = 1) -> Any:
    return polars.DataFrame({"item": [item] * rows, "price": [price] * rows, "count": list(range(rows))})


@pytest.mark.usefixtures("polars_plugin")
def test_frames_of_polars_merge_through_the_hook_and_come_apart_again() -> None:
    """Core knows nothing of polars; a plugin's container is all that it takes."""
    calls = [frame("tea", 2.5, 3), frame("cake", 4.0), frame("bun", 1.5, 2)]
    other = frame("tea", 1.0).with_columns(polars.lit(True).alias("vegan"))

    async def main(runner: Runner, prices: list[Prices]) -> tuple[Any, list[Any]]:
        first = asyncio.ensure_future(runner.total.async_run(frame("first", 1.0)))
        await asyncio.get_running_loop().run_in_executor(None, lambda: prices[0].entered.wait(20))
        others = [asyncio.ensure_future(runner.total.async_run(call)) for call in (*calls, other)]
        await asyncio.sleep(0)  # their tick
        await asyncio.sleep(0)
        prices[0].leave.set()
        return await first, await asyncio.gather(*others)

    made: list[Prices] = []

    class Kept(Prices):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    with Runner(Kept) as runner:
        _, answers = asyncio.run(main(runner, made))
    for call, answer in zip((*calls, other), answers, strict=True):
        expected = call.select("item", total=polars.col("price") * polars.col("count"))
        assert answer.equals(expected)
    # One for the first, one for the three that go together, one for the frame with another column.
    assert made[0].heights == [1, 6, 1]


@pytest.mark.usefixtures("polars_plugin")
def test_a_call_of_polars_larger_than_a_batch_is_split_and_put_together() -> None:
    """Limits count the frame's rows."""
    with Runner(Prices, max_batch_size=4) as runner:
        worker: Any = runner.engine.seats[0].worker
        worker.bind("total").__self__.leave.set()
        answer = runner.total.run(frame("tea", 2.0, 10))
        assert answer["total"].to_list() == [2.0 * count for count in range(10)]
        assert worker.bind("total").__self__.heights == [4, 4, 2]

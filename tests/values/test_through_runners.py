"""Values of every kind through local, process and attached runners, batched: each caller gets what it would get alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from tiffin.exceptions import BatchRowsError
from tiffin.runners import Runnable, Runner

PLACES = ("local", "process", "attached")


class Echo(Runnable):
    """Answers with what came, and with how many rows came along."""

    @Runnable.method(batchable=True)
    def same(self, value):
        return value

    @Runnable.method(batchable=True)
    def rows(self, value):
        count = value.shape[0] if hasattr(value, "shape") else len(value)
        return np.full(count, count)

    @Runnable.method
    def one(self, value):
        return value


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return a runner in each place, made once."""
    with Runner(Echo) as local, Runner(Echo, backend="process") as process:
        folder = tmp_path_factory.mktemp("sockets")
        folder.chmod(0o700)
        with Runner.attach(process.listen(folder / "runner")) as attached:
            yield {"local": local, "process": process, "attached": attached}


async def together(handle: Any, values: list[Any]) -> list[Any]:
    return await asyncio.gather(*(handle.async_run(value) for value in values))


def polars_frame(start: int, rows: int) -> Any:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"n": range(start, start + rows), "text": [f"row {n}" for n in range(rows)]})
    return frame.with_columns(when=polars.datetime(2026, 1, 1, time_zone="Europe/Berlin"), parts=polars.lit([1, 2]))


def polars_series(start: int, rows: int) -> Any:
    return polars_frame(start, rows)["text"]


def arrow_table(start: int, rows: int) -> Any:
    arrow = pytest.importorskip("pyarrow")
    return arrow.table(
        {"n": range(start, start + rows), "text": [f"row {n}" for n in range(rows)]}
    ).replace_schema_metadata({"unit": "m"})


def arrow_batch(start: int, rows: int) -> Any:
    return arrow_table(start, rows).to_batches()[0]


def sparse(name: str) -> Callable[[int, int], Any]:
    def make(start: int, rows: int) -> Any:
        module = pytest.importorskip("scipy.sparse")
        dense = np.zeros((rows, 4))
        dense[:, 1] = np.arange(start, start + rows)
        return getattr(module, name)(dense)

    return make


def masked(start: int, rows: int) -> Any:
    return np.ma.masked_array(np.arange(start, start + rows), np.arange(rows) % 2 == 1, fill_value=-7)


def images(start: int, rows: int) -> list[Any]:
    module = pytest.importorskip("PIL.Image")
    return [module.new("RGB", (3, 2), (start, n, 0)) for n in range(rows)]


SPARSE = (
    "csr_matrix",
    "csr_array",
    "csc_matrix",
    "coo_matrix",
    "coo_array",
    "dia_array",
    "lil_matrix",
    "dok_array",
    "bsr_array",
)
MAKERS: dict[str, Callable[[int, int], Any]] = {
    "polars frame": polars_frame,
    "polars series": polars_series,
    "arrow table": arrow_table,
    "arrow batch": arrow_batch,
    **{name: sparse(name) for name in SPARSE},
    "masked array": masked,
    "masked array without a mask": lambda start, rows: np.ma.masked_array(np.arange(start, start + rows)),
    "images": images,
    "dict of kinds": lambda start, rows: {"x": masked(start, rows), "y": (polars_frame(start, rows),)},
}


def same(one: Any, other: Any) -> bool:
    assert type(one) is type(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    if isinstance(one, np.ma.MaskedArray):
        return (
            one.dtype == other.dtype
            and one.fill_value == other.fill_value
            and (one.mask is np.ma.nomask) == (other.mask is np.ma.nomask)
            and np.array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
            and np.array_equal(one.filled(), other.filled())
        )
    if hasattr(one, "tobytes") and hasattr(one, "mode"):
        return bool(one.mode == other.mode and one.size == other.size and one.tobytes() == other.tobytes())
    if hasattr(one, "toarray"):
        return one.shape == other.shape and one.dtype == other.dtype and np.array_equal(one.toarray(), other.toarray())
    return bool(one.equals(other)) and getattr(one, "schema", None) == getattr(other, "schema", None)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_merges_and_comes_apart_in_every_place(kind: str, place: str, runners: dict[str, Any]) -> None:
    """Each caller gets its own rows back, and several calls did run together."""
    values = [MAKERS[kind](start, rows) for start, rows in ((0, 2), (10, 1), (20, 3))]
    answers = asyncio.run(together(runners[place].same, values))
    assert all(map(same, answers, values))
    if kind != "dict of kinds":
        runs = asyncio.run(together(runners[place].rows, values))
        assert max(int(run[0]) for run in runs) > 3
    assert same(runners[place].one.run(values[0]), values[0])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "LA", "PA"]
)
def test_images_of_every_mode_arrive(mode: str, place: str, runners: dict[str, Any]) -> None:
    """Pixels, mode, size, palette and transparency."""
    module = pytest.importorskip("PIL.Image")
    image = module.new(mode, (5, 3))
    if mode == "P":
        image.putpalette([1, 2, 3, 4, 5, 6])
        image.info["transparency"] = 1
    image.putpixel((1, 1), 1 if len(image.getbands()) == 1 else tuple([1] * len(image.getbands())))
    answer = runners[place].one.run(image)
    assert same(answer, image)
    assert answer.getpalette() == image.getpalette()
    assert answer.info == image.info


class Index(Runnable):
    """Answers frames whose index says more than the order of the rows."""

    @Runnable.method(batchable=True)
    def sorted_back(self, frame):
        return frame.sort_values("x").assign(rank=1).sort_index()

    @Runnable.method(batchable=True)
    def sorted_by(self, frame):
        return frame.sort_values("x")

    @Runnable.method(batchable=True)
    def turned(self, frame):
        return frame.iloc[::-1]

    @Runnable.method(batchable=True)
    def as_series(self, frame):
        import pandas

        return pandas.Series([x * 2 for x in frame.x], index=list(frame.index))

    @Runnable.method(batchable=True)
    def grouped(self, frame):
        return frame.groupby(frame.index).x.sum()

    @Runnable.method(batchable=True)
    def grouped_by_id(self, frame):
        return frame.groupby("id").x.sum()

    @Runnable.method(batchable=True)
    def set_index(self, frame):
        return frame.set_index("id")

    @Runnable.method(batchable=True)
    def set_two(self, frame):
        return frame.set_index(["id", "x"], drop=False)

    @Runnable.method(batchable=True)
    def unnamed_ids(self, frame):
        import pandas

        return pandas.Series(list(frame.x), index=list(frame.id))

    @Runnable.method(batchable=True)
    def side_by_side(self, frame):
        return {"one": frame.sort_index(ascending=False), "two": (frame.groupby(frame.index).x.sum(),)}


class Outputs(Runnable):
    """Answers with lists."""

    @Runnable.method(batchable=True)
    def several(self, x):
        return [x + 1, x * 2]

    @Runnable.method(batchable=True)
    def vectors(self, x):
        return list(x)

    @Runnable.method(batchable=True)
    def nested(self, x):
        return x.tolist()

    @Runnable.method(batchable=True, idempotent=False)
    def once(self, x):
        return [x + 1, x * 2]


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    class Both(Index, Outputs):
        runnable_methods: ClassVar[Any] = {**Index.runnable_methods, **Outputs.runnable_methods}

    with Runner(Both) as local, Runner(Both, backend="process") as process:
        folder = tmp_path_factory.mktemp("sockets")
        folder.chmod(0o700)
        with Runner.attach(process.listen(folder / "runner")) as attached:
            yield {"local": local, "process": process, "attached": attached}


INDEXES: dict[str, Any] = {
    "default": lambda rows, start: None,
    "labels of their own": lambda rows, start: [f"row {start + n}" for n in range(rows)],
    "labels of others too": lambda rows, start: [f"row {n}" for n in range(rows)],
    "numbers of others too": lambda rows, start: [3 + n for n in range(rows)],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize(
    "ids", [[7, 5, 3, 9, 1], [1, 0, 2, 4, 3], [5, 5, 5, 6, 6]], ids=["ids", "like rows", "same ids"]
)
def test_frames_come_back_with_the_index_that_they_have_alone(
    ids: list[int], index: str, place: str, others: dict[str, Any]
) -> None:
    """Sorted, grouped, turned or with another index: as if the other calls had not been there."""
    pandas = pytest.importorskip("pandas")
    frames = []
    for start, rows in ((0, 2), (2, 1), (3, 2)):
        part = pandas.DataFrame({"x": [3.0 - n + start for n in range(rows)], "id": ids[start : start + rows]})
        frames.append(part.set_axis(labels) if (labels := INDEXES[index](rows, start)) is not None else part)

    def shown(answer: Any) -> str:
        return answer.to_csv() if hasattr(answer, "to_csv") else repr({k: str(v) for k, v in answer.items()})

    def alone(handle: Any, frame: Any) -> str:
        try:
            return shown(handle.run(frame))
        except BatchRowsError:
            return "refused"

    async def merged(handle: Any) -> list[Any]:
        return await asyncio.gather(*(handle.async_run(frame) for frame in frames), return_exceptions=True)

    for name in Index.runnable_methods:
        if name == "set_two" and place != "local":
            continue  # indexes of several levels do not cross
        handle = getattr(others[place], name)
        answers = [
            "refused" if isinstance(answer, BatchRowsError) else shown(answer) for answer in asyncio.run(merged(handle))
        ]
        assert answers == [alone(handle, frame) for frame in frames], name


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("calls", [2, 3, 4])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_a_list_of_outputs_is_never_taken_for_a_list_of_rows(
    width: int, calls: int, place: str, others: dict[str, Any]
) -> None:
    """Nobody gets others' rows; lists of rows come apart however wide they are."""
    values = [np.arange(width)[np.newaxis] + 10 * call for call in range(calls)]
    runner = others[place]

    async def main(handle: Any) -> list[Any]:
        return await asyncio.gather(*(handle.async_run(value) for value in values), return_exceptions=True)

    for name in ("several", "once"):
        assert all(isinstance(answer, BatchRowsError) for answer in asyncio.run(main(runner.methods[name]))), name
    for name in ("vectors", "nested"):
        answers = asyncio.run(main(runner.methods[name]))
        assert [np.asarray(answer).tolist() for answer in answers] == [value.tolist() for value in values]


def test_a_caller_alone_gets_all_outputs() -> None:
    """Two rows and two outputs: nothing is cut, so nothing can be wrong."""
    x = np.ones((2, 3))
    with Runner(Outputs) as runner:
        assert [part.tolist() for part in runner.several.run(x)] == [(x + 1).tolist(), (x * 2).tolist()]
    with Runner(Outputs, max_batch_size=2) as runner, pytest.raises(BatchRowsError):
        runner.several.run(np.ones((4, 3)))

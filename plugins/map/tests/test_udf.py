"""Models as functions of batches: small when they travel, loaded once, fetched by their digest."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tiffin
from tiffin.exceptions import ModelNotFoundError, UntrustedModelError
from tiffin_map import MapError, _udf


@pytest.fixture(autouse=True)
def _nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a worker's process does."""
    monkeypatch.setattr(_udf, "_loaded", {})


def as_dict(table: pa.Table) -> Any:
    """Return a table as a dict of arrays."""
    return {name: table[name].to_numpy() for name in table.column_names}


def as_pandas(table: pa.Table) -> Any:
    """Return a table as a pandas frame."""
    pytest.importorskip("pandas")
    return table.to_pandas()


def as_polars(table: pa.Table) -> Any:
    """Return a table as a polars frame."""
    return pytest.importorskip("polars").from_arrow(table)


def as_batch(table: pa.Table) -> Any:
    """Return a table as one record batch."""
    return table.combine_chunks().to_batches()[0]


KINDS: list[Callable[[pa.Table], Any]] = [as_dict, as_pandas, as_polars, as_batch, lambda table: table]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["predict", "both"])
def test_a_batch_is_answered_with_the_same_kind(
    kind: Callable[[pa.Table], Any], method: str, store: Path, table: pa.Table
) -> None:
    """With the columns that are kept, and one of answers; an answer of several numbers is a list, or in a dict an array."""
    udf = tiffin.get("sums").as_udf(method, columns=["x", "y"], keep=["id"], output="sum")
    batch = kind(table)
    found = udf(batch)
    assert type(found) is type(batch)
    rows = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
    expected = rows.sum(axis=1) if method == "predict" else np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1)
    if isinstance(found, dict):
        assert list(found) == ["id", "sum"]
        assert np.array_equal(found["sum"], expected)
    else:
        answered = found["sum"].to_pylist() if hasattr(found["sum"], "to_pylist") else found["sum"].to_list()
        assert np.array_equal(np.stack(answered), expected)


def test_an_iterator_of_batches_gives_an_iterator(store: Path, table: pa.Table) -> None:
    """As engines hand over a partition: one batch after another, none before it is asked for."""
    asked = []

    def batches() -> Iterator[pa.Table]:
        for at in (0, 500):
            asked.append(at)
            yield table.slice(at, 500)

    answers = tiffin.get("sums").as_udf(columns=["x", "y"])(batches())
    assert asked == []
    assert next(answers).num_rows == 500
    assert asked == [0]


def test_it_pickles_to_a_name_and_a_digest(store: Path, tmp_path: Path) -> None:
    """However large the model is."""
    import mapped_models

    model = mapped_models.Sums()
    model.weights = np.zeros(1 << 20)
    udf = tiffin.save("large", model, signatures={"predict": {"batchable": True}}).as_udf()
    assert len(pickle.dumps(udf)) < 1000
    assert pickle.loads(pickle.dumps(udf))({"x": np.ones(3)})["prediction"].tolist() == [1, 1, 1]


def test_the_model_is_loaded_once_in_a_process(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many copies of the function there are."""
    import mapped_adapter

    loads: list[Path] = []
    load = mapped_adapter.load
    udf = tiffin.get("sums").as_udf()

    def counted(path: Path) -> Any:
        loads.append(path)
        return load(path)

    monkeypatch.setattr(tiffin.Model, "load", lambda model, **_: counted(model.path))
    for _ in range(3):
        pickle.loads(pickle.dumps(udf))({"x": np.ones(2)})
    assert len(loads) == 1


@pytest.fixture
def elsewhere(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return a function that pushes the model to a remote, changes to an empty store, and returns the remote's URL."""

    def move() -> str:
        url = (tmp_path / "remote").as_uri()
        tiffin.models.push("sums:1", url)
        monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other-home"))
        return url

    return move


def test_a_store_that_lacks_the_model_pulls_it(elsewhere: Callable[[], str], tmp_path: Path) -> None:
    """And trusts exactly the content that the program that made the function had: it was saved there."""
    udf = tiffin.get("sums:1").as_udf(remote=(tmp_path / "remote").as_uri())
    elsewhere()
    assert udf({"x": np.ones(2)})["prediction"].tolist() == [1, 1]
    assert tiffin.get("sums:1").info.content_digest == udf.content_digest


def test_a_model_that_is_not_trusted_where_the_function_was_made_is_not_trusted_elsewhere(
    elsewhere: Callable[[], str], tmp_path: Path
) -> None:
    """The function hands on what is trusted, and nothing more."""
    url = elsewhere()
    tiffin.models.pull("sums:1", url)
    udf = tiffin.get("sums:1").as_udf(remote=url)
    with pytest.raises(UntrustedModelError):
        udf({"x": np.ones(2)})


def test_another_content_under_the_same_tag_is_refused(
    elsewhere: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the remote as in the store of the worker: nothing of it is loaded, and nothing that is there is replaced."""
    import mapped_models

    udf = tiffin.get("sums:1").as_udf(remote=(tmp_path / "remote").as_uri())
    other = mapped_models.Sums()
    other.other = True
    tiffin.save("sums:1", other, signatures={"predict": {"batchable": True}}, overwrite=True)
    url = elsewhere()
    with pytest.raises(ModelNotFoundError, match="is not what it was when it was referred to"):
        udf({"x": np.ones(2)})
    with pytest.raises(ModelNotFoundError, match="is not what it was when it was referred to"):
        _udf.Udf(**{**vars_of(udf), "content_digest": "sha256:" + "0" * 64, "remote": url})({"x": np.ones(2)})


def vars_of(udf: Any) -> dict[str, Any]:
    """Return what a function was made of."""
    return {name: value for name, value in vars(udf).items() if not name.startswith("__")}


def test_without_a_remote_the_error_says_what_to_do(elsewhere: Callable[[], str]) -> None:
    """A worker of another machine has a store of its own."""
    udf = tiffin.get("sums:1").as_udf()
    elsewhere()
    with pytest.raises(ModelNotFoundError, match="name a remote"):
        udf({"x": np.ones(2)})


def test_batches_that_do_not_fit_are_refused(store: Path, table: pa.Table) -> None:
    """With what they have."""
    udf = tiffin.get("sums").as_udf(columns=["x", "z"])
    with pytest.raises(MapError, match="no column 'z'"):
        udf(table)
    with pytest.raises(MapError, match="not one length"):
        udf({"x": np.ones(2), "z": np.ones(3)})
    with pytest.raises(MapError, match="class 'int'"):
        udf(3)

"""The same function of batches in real engines: each gives what a plain loop gives, bit for bit."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import tiffin

if importlib.util.find_spec("sklearn") is None or importlib.util.find_spec("tiffin_sklearn") is None:
    pytest.skip("needs scikit-learn and its adapter", allow_module_level=True)

pytestmark = pytest.mark.slow

COLUMNS = ["a", "b", "c", "d"]


@pytest.fixture
def rows(tmp_path: Path) -> pa.Table:
    """Return 5,000 rows of an id and four numbers."""
    numbers = np.random.default_rng(0).random((5000, 4))
    return pa.table({"id": np.arange(5000)} | {name: numbers[:, index] for index, name in enumerate(COLUMNS)})


@pytest.fixture
def udf(store_home: Path) -> Any:
    """Return a forest as a function; it keeps the id."""
    from sklearn.ensemble import RandomForestRegressor

    numbers = np.random.default_rng(1).random((200, 4))
    model = RandomForestRegressor(10, random_state=0).fit(numbers, numbers.sum(axis=1))
    return tiffin.save("forest", model).as_udf(columns=COLUMNS, keep=["id"])


@pytest.fixture
def expected(udf: Any, rows: pa.Table) -> list[tuple[int, float]]:
    """Return what a plain loop gives, by id."""
    numbers = np.stack([rows[name].to_numpy() for name in COLUMNS], axis=1)
    return list(zip(range(5000), tiffin.load("forest").predict(numbers).tolist(), strict=True))


def pairs(found: Any) -> list[tuple[int, float]]:
    """Return ids and answers, by id."""
    return sorted(zip(list(found["id"]), list(found["prediction"]), strict=True))


def test_polars(udf: Any, rows: pa.Table, expected: Any) -> None:
    """By `map_batches`, also of a lazy frame."""
    polars = pytest.importorskip("polars")
    frame = polars.from_arrow(rows)
    schema = {"id": polars.Int64, "prediction": polars.Float64}
    assert pairs(frame.lazy().map_batches(udf, schema=schema).collect().to_dict(as_series=False)) == expected


@pytest.mark.parametrize("partitions", [1, 7])
def test_dask(partitions: int, udf: Any, rows: pa.Table, expected: Any) -> None:
    """By `map_partitions`, in processes."""
    pytest.importorskip("dask")
    dataframe = pytest.importorskip("dask.dataframe")
    frame = dataframe.from_pandas(rows.to_pandas(), npartitions=partitions)
    meta = {"id": "int64", "prediction": "float64"}
    assert pairs(frame.map_partitions(udf, meta=meta).compute(scheduler="processes", num_workers=2)) == expected


def test_daft(udf: Any, rows: pa.Table, expected: Any) -> None:
    """By a function of batches: columns come as series, and go as an array."""
    daft = pytest.importorskip("daft")

    @daft.func.batch(return_dtype=daft.DataType.float64())  # type: ignore[untyped-decorator]
    def predict(*columns: Any) -> Any:
        given = dict(zip(["id", *COLUMNS], (column.to_arrow() for column in columns), strict=True))
        return udf(pa.table(given))["prediction"].combine_chunks()

    frame = daft.from_arrow(rows).into_partitions(3)
    found = frame.select(frame["id"], predict(frame["id"], *(frame[name] for name in COLUMNS)).alias("prediction"))
    assert pairs(found.to_pydict()) == expected


@pytest.fixture
def cluster(store_home: Path) -> Iterator[Any]:
    """Run Ray on two processors of this machine."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.parametrize("batch_format", ["numpy", "pandas", "pyarrow"])
def test_ray_data(batch_format: str, cluster: Any, udf: Any, rows: pa.Table, expected: Any) -> None:
    """By `map_batches`, in each of its formats."""
    data = cluster.data.from_arrow(rows).repartition(4)
    found = data.map_batches(udf, batch_format=batch_format, batch_size=700).to_pandas()
    assert pairs(found) == expected


def test_spark(udf: Any, rows: pa.Table, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `mapInPandas`: a partition's batches come as an iterator."""
    sql = pytest.importorskip("pyspark.sql")
    import shutil

    if shutil.which("java") is None:
        pytest.skip("Spark needs a Java virtual machine")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    parquet.write_table(rows, tmp_path / "rows.parquet")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.warehouse.dir", str(tmp_path / "warehouse")).getOrCreate()
    try:
        frame = session.read.parquet(str(tmp_path / "rows.parquet")).repartition(3)
        found = frame.mapInPandas(udf, schema="id long, prediction double").toPandas()
    finally:
        session.stop()
    assert pairs(found) == expected

"""`tiffin map`: what it prints, and what it says of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from tiffin.cli import cli


@pytest.fixture
def source(table: pa.Table, tmp_path: Path) -> Path:
    """Return a file of rows."""
    parquet.write_table(table.select(["x", "y"]), tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def tiffin(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, ["map", *map(str, arguments)])


def test_it_says_what_was_done(store: Path, source: Path, tmp_path: Path) -> None:
    """And where it is."""
    ran = tiffin("sums", source, tmp_path / "out", "--backend", "local")
    assert ran.exit_code == 0, ran.output
    first, second = ran.output.splitlines()
    assert first.startswith("sums:1.predict: 1,000 of 1,000 rows in ")
    assert second == f"  {tmp_path / 'out'}: 1 file"


def test_a_method_stands_behind_a_dot(store: Path, source: Path, tmp_path: Path) -> None:
    """Programs get JSON."""
    ran = tiffin("sums:1.both", source, tmp_path / "out", "--backend", "local", "-o", "json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.output)["method"] == "both"


def test_bad_rows_are_counted_and_pointed_to(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """A share is given with a per cent sign."""
    rows = [*table.select(["x", "y"]).slice(0, 99).to_pylist(), {"x": -1.0, "y": 0.0}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    ran = tiffin("sums", tmp_path / "in.parquet", tmp_path / "out", "--backend", "local", "--max-bad", "1%")
    assert ran.exit_code == 0, ran.output
    assert ran.output.splitlines()[-1].endswith("_bad_rows.jsonl: 1 row that could not be scored")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["suns"], "Did you mean"),
        (["sums.predit"], "no method 'predit'"),
        (["sums", "--max-bad", "many"], "neither a number of rows nor a share"),
        (["sums", "--type", "x"], "COLUMN=TYPE"),
        (["sums", "--type", "x=flaot"], "'x' is to be read as 'flaot', which is no type"),
        (["sums", "--part-rows", "100", "--batch-rows", "64"], "multiple"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    arguments: list[str], words: str, store: Path, source: Path, tmp_path: Path
) -> None:
    """With what to write."""
    tag, *options = arguments
    ran = tiffin(tag, source, tmp_path / "out", *options)
    assert ran.exit_code != 0
    assert words in ran.output
    assert "Traceback" not in ran.output

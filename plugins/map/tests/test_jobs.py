"""Batch jobs: the same as a plain loop, in any format and any number of parts; what ends one, and what goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv, parquet

import tiffin
from tiffin.exceptions import StorageFullError
from tiffin_map import MapError, TooManyBadRowsError, map


def write(table: pa.Table, path: Path) -> Path:
    """Write a table by the ending of its file's name."""
    name = path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        parquet.write_table(table, path, row_group_size=300)
    elif name.endswith((".csv.gz", ".csv")):
        with pa.output_stream(path) as file:
            csv.write_csv(table, file)
    elif name.endswith(".tsv"):
        csv.write_csv(table, path, csv.WriteOptions(delimiter="\t"))
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), encoding="utf-8")
    elif name.endswith(".arrows"):
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=170)
    elif name.endswith(".npy"):
        np.save(path, np.stack([column.to_numpy() for column in table.columns], axis=1))
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=170)
    return path


def rows_of(output: Path, ending: str = "parquet") -> pa.Table:
    """Return all rows of an output, in the order of its parts."""
    parts = sorted(output.glob(f"part-*.{ending}"))
    return pa.concat_tables([parquet.read_table(part) for part in parts])


def bad_rows(output: Path) -> list[dict[str, Any]]:
    """Return the rows that were not scored."""
    return [json.loads(line) for line in (output / "_bad_rows.jsonl").read_text(encoding="utf-8").splitlines()]


def sums(table: pa.Table) -> list[float]:
    """Return what a plain loop gives."""
    rows = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
    return rows.sum(axis=1).tolist()  # type: ignore[no-any-return]


def local(source: Path, output: Path, **options: Any) -> Any:
    """Run a job in this process, in small parts."""
    given = {"columns": ["x", "y"], "batch_rows": 64, "part_rows": 256, "workers": 1, "backend": "local", **options}
    return map("sums", source, output, **given)


ENDINGS = ["parquet", "csv", "csv.gz", "tsv", "jsonl", "arrow", "arrows"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_answers_are_those_of_a_plain_loop(ending: str, store: Path, table: pa.Table, tmp_path: Path) -> None:
    """In the order of the input, each with its row's number and the columns that are passed through, in any format."""
    summary = local(write(table, tmp_path / f"in.{ending}"), tmp_path / "out", keep=["id"])
    found = rows_of(tmp_path / "out")
    assert found.column_names == ["row", "id", "prediction"]
    assert found["prediction"].to_pylist() == sums(table)
    assert found["row"].to_pylist() == found["id"].to_pylist() == list(range(1000))
    assert (summary.rows, summary.scored, summary.bad, summary.parts) == (1000, 1000, 0, 4)


def test_a_numpy_file_is_rows(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """Its first axis; there are no columns to choose."""
    map("sums", write(table.select(["x", "y"]), tmp_path / "in.npy"), tmp_path / "out", backend="local")
    assert rows_of(tmp_path / "out")["prediction"].to_pylist() == sums(table)


@pytest.mark.parametrize("source", ["folder", "folder/*.parquet", "folder/"])
def test_a_folder_is_its_files_in_the_order_of_their_names(
    source: str, store: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are numbered through all of them; what begins with a dot or an underscore belongs to other programs."""
    for number, at in enumerate(range(0, 1000, 150)):
        write(table.slice(at, 150), tmp_path / "folder" / f"{number}.parquet")
    (tmp_path / "folder" / "_SUCCESS").touch()
    monkeypatch.chdir(tmp_path)
    local(Path(source) if "*" not in source else source, tmp_path / "out", keep=["id"])  # type: ignore[arg-type]
    found = rows_of(tmp_path / "out")
    assert found["prediction"].to_pylist() == sums(table)
    assert found["row"].to_pylist() == found["id"].to_pylist()


@pytest.mark.parametrize(("batch", "part"), [(1000, 1000), (7, 70), (100, 100), (999, 999)])
def test_the_result_is_the_same_in_any_number_of_parts(
    batch: int, part: int, store: Path, table: pa.Table, tmp_path: Path
) -> None:
    """Bit for bit; how rows are cut is nothing that they show."""
    local(write(table, tmp_path / "in.parquet"), tmp_path / "out", batch_rows=batch, part_rows=part)
    assert rows_of(tmp_path / "out")["prediction"].to_pylist() == sums(table)


@pytest.mark.parametrize(
    ("width", "part", "rows"), [(2, 1 << 18, 16384), (512, 1 << 18, 2048), (2, 1000, 1000), (None, 1 << 18, 4096)]
)
def test_calls_have_as_many_rows_as_fill_8_mib(
    width: int | None, part: int, rows: int, store: Path, tmp_path: Path
) -> None:
    """And at most 16,384, where nobody says how many; a part holds whole ones. Where rows have any length, 4,096."""
    if width is None:
        source = write(pa.table({"words": ["a"]}), tmp_path / "in.parquet")
    else:
        source = tmp_path / "in.npy"
        np.save(source, np.zeros((3, width)))
    model = "texts" if width is None else "sums"
    map(model, source, tmp_path / "out", backend="local", part_rows=part, max_bad=3)
    assert json.loads((tmp_path / "out" / "_job.json").read_text(encoding="utf-8"))["batch_rows"] == rows


@pytest.mark.parametrize("ending", ["csv", "jsonl", "arrow"])
def test_the_output_has_the_format_that_is_asked_for(ending: str, store: Path, table: pa.Table, tmp_path: Path) -> None:
    """In CSV lists are columns."""
    local(write(table, tmp_path / "in.parquet"), tmp_path / "out", method="both", format=ending)
    first = tmp_path / "out" / f"part-00000.{ending}"
    low = pc.min_element_wise(table["x"], table["y"]).to_pylist()[:256]
    if ending == "csv":
        assert csv.read_csv(first)["prediction_0"].to_pylist() == low
    elif ending == "jsonl":
        assert [json.loads(line)["prediction"][0] for line in first.read_text("utf-8").splitlines()] == low
    else:
        assert [one[0] for one in pa.ipc.open_file(first).read_all()["prediction"].to_pylist()] == low


def test_a_model_of_frames_gets_the_columns_that_its_spec_names(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """And what it answers keeps its names."""
    pytest.importorskip("pandas")
    import mapped_models

    example = table.select(["x", "y"]).slice(0, 2).to_pandas()
    tiffin.save("frames", mapped_models.Frames(), signatures={"predict": {"batchable": True}}, input_example=example)
    map("frames", write(table, tmp_path / "in.parquet"), tmp_path / "out", backend="local")
    found = rows_of(tmp_path / "out")
    assert found.column_names == ["row", "total"]
    assert found["total"].to_pylist() == sums(table)


def test_a_column_of_texts_is_a_list(store: Path, tmp_path: Path) -> None:
    """As models of texts take it."""
    write(pa.table({"text": ["a", "b", "ö"]}), tmp_path / "in.jsonl")
    map("texts", tmp_path / "in.jsonl", tmp_path / "out", backend="local", row_number="")
    assert rows_of(tmp_path / "out").to_pydict() == {"prediction": ["A", "B", "Ö"]}


def test_urls_are_read_and_written(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """By fsspec, whatever it opens."""
    import fsspec

    memory = fsspec.filesystem("memory")
    with memory.open("/jobs/in.parquet", "wb") as file:
        parquet.write_table(table, file)
    summary = map("sums", "memory://jobs/in.parquet", "memory://jobs/out", columns=["x", "y"], backend="local")
    with memory.open("/jobs/out/part-00000.parquet", "rb") as file:
        assert parquet.read_table(file)["prediction"].to_pylist() == sums(table)
    assert map("sums", "memory://jobs/in.parquet", "memory://jobs/out", columns=["x", "y"], backend="local") == summary


# Bad rows


def spoiled(table: pa.Table, at: Sequence[int], value: float = -1.0) -> pa.Table:
    """Return the table with a value in column x that the model refuses."""
    column = table["x"].to_numpy().copy()
    column[list(at)] = value
    return table.set_column(1, "x", pa.array(column))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_rows_that_the_model_refuses_are_told_and_all_others_scored(
    value: float, store: Path, table: pa.Table, tmp_path: Path
) -> None:
    """Each once, with its number, its input and what the model said; also where they can be told by their looks."""
    at = [0, 63, 64, 500, 501, 999]
    summary = local(write(spoiled(table, at, value), tmp_path / "in.parquet"), tmp_path / "out", max_bad=6, keep=["id"])
    found = rows_of(tmp_path / "out")
    good = sorted(set(range(1000)) - set(at))
    assert found["id"].to_pylist() == found["row"].to_pylist() == good
    assert found["prediction"].to_pylist() == [sums(table)[row] for row in good]
    assert [row["row"] for row in bad_rows(tmp_path / "out")] == at
    assert "negative numbers" in bad_rows(tmp_path / "out")[1]["error"]
    assert bad_rows(tmp_path / "out")[1]["input"]["y"] == table["y"][63].as_py()
    assert (summary.scored, summary.bad) == (994, 6)


def test_no_row_may_be_bad_unasked(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """The error names the row, and says how more are allowed; what was done so far stays, and a later run goes on."""
    write(spoiled(table, [700]), tmp_path / "in.parquet")
    with pytest.raises(TooManyBadRowsError, match=r"Row 700 of 'in\.parquet' cannot be scored: negative numbers"):
        local(tmp_path / "in.parquet", tmp_path / "out")
    assert local(tmp_path / "in.parquet", tmp_path / "out", max_bad=1).bad == 1


@pytest.mark.parametrize(("share", "fits"), [(0.011, True), (0.009, False)])
def test_a_share_of_rows_may_be_bad(share: float, fits: bool, store: Path, table: pa.Table, tmp_path: Path) -> None:
    """Of all rows."""
    write(spoiled(table, range(0, 1000, 100)), tmp_path / "in.parquet")
    if fits:
        assert local(tmp_path / "in.parquet", tmp_path / "out", max_bad=share).bad == 10
    else:
        with pytest.raises(TooManyBadRowsError, match=r"0\.009"):
            local(tmp_path / "in.parquet", tmp_path / "out", max_bad=share)


def test_a_job_whose_every_row_is_bad_ends_early(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """It does not try ten million rows one by one."""
    write(spoiled(table, range(1000)), tmp_path / "in.parquet")
    with pytest.raises(TooManyBadRowsError, match=r"1[1-6] bad rows"):
        local(tmp_path / "in.parquet", tmp_path / "out", max_bad=10)


def test_rows_may_all_be_bad_where_that_is_allowed(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """A part without rows is there all the same: by it the job knows that it is done."""
    write(spoiled(table.slice(0, 100), range(100)), tmp_path / "in.parquet")
    summary = local(tmp_path / "in.parquet", tmp_path / "out", max_bad=100)
    assert (summary.scored, summary.bad, summary.parts) == (0, 100, 1)


@pytest.mark.parametrize(
    ("ending", "lines", "bad"),
    [
        ("csv", ["id,x,y", "0,1,2", "1,one,2", "2,1", "3,4,5,6", "", "4,7,8"], [1, 2, 3]),
        ("jsonl", ['{"x": 1, "y": 2}', '{"x": "one", "y": 2}', '{"x": 1', "[1, 2]", "", '{"x": 7, "y": 8}'], [1, 2, 3]),
    ],
)
def test_lines_that_cannot_be_read_are_bad_rows(
    ending: str, lines: list[str], bad: list[int], store: Path, tmp_path: Path
) -> None:
    """Also where the line itself is broken: each keeps its number, and spoils no other."""
    path = tmp_path / f"in.{ending}"
    path.write_text("\n".join(lines), encoding="utf-8")
    summary = local(path, tmp_path / "out", max_bad=3, types={"x": "int64", "y": "int64"})
    assert rows_of(tmp_path / "out").to_pydict() == {"row": [0, 4], "prediction": [3, 15]}
    assert [row["row"] for row in bad_rows(tmp_path / "out")] == bad
    assert (summary.rows, summary.scored) == (5, 2)


def test_an_answer_of_another_length_is_not_taken_for_rows(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """A method that answers many rows with one has not answered them."""
    with pytest.raises(MapError, match="answered 64 rows with 1"):
        local(write(table, tmp_path / "in.parquet"), tmp_path / "out", method="short", max_bad=1000)


def test_missing_whole_numbers_are_bad_rows(store: Path, tmp_path: Path) -> None:
    """Numbers that are not there have no value among whole ones; the dtype stays."""
    write(pa.table({"x": [1, None, 3], "y": [1, 1, 1]}), tmp_path / "in.parquet")
    assert local(tmp_path / "in.parquet", tmp_path / "out", max_bad=1).bad == 1
    assert rows_of(tmp_path / "out").to_pydict() == {"row": [0, 2], "prediction": [2, 4]}


def test_a_row_that_kills_its_worker_or_hangs_is_found(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """The worker comes back, and all other rows are scored."""
    rows = spoiled(spoiled(table.slice(0, 40), [7], 666.0), [23], 555.0)
    options = {"backend": "process", "max_bad": 2, "timeout": 3.0, "batch_rows": 8, "part_rows": 40}
    summary = local(write(rows, tmp_path / "in.parquet"), tmp_path / "out", **options)
    assert (summary.scored, [row["row"] for row in bad_rows(tmp_path / "out")]) == (38, [7, 23])


# Going on


def test_a_job_goes_on_where_it_was(
    store: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published is not scored again, and the result is the same bytes as that of one run."""
    source = write(spoiled(table, [3, 600]), tmp_path / "in.parquet")
    local(source, tmp_path / "whole", max_bad=2)
    with pytest.raises(TooManyBadRowsError):
        local(source, tmp_path / "out", max_bad=1)
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    assert done
    summary = local(source, tmp_path / "out", max_bad=2)
    for path in (tmp_path / "whole").iterdir():
        if path.name not in ("_summary.json", "_job.json"):
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in done} == done
    assert (summary.rows, summary.bad) == (1000, 2)
    assert not list((tmp_path / "out").glob("_bad-*"))


KILLED = """
import sys
import tiffin, mapped_adapter
from tiffin_map import _parts, map
tiffin.register(mapped_adapter, "mapped")
steps, write = int(sys.argv[1]), _parts.Output.write
def counted(self, name, *rest):
    global steps
    if steps == 0:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    steps -= 1
    write(self, name, *rest)
_parts.Output.write = counted
map("sums", sys.argv[2], sys.argv[3], columns=["x", "y"], batch_rows=64, part_rows=256, backend="local", max_bad=2)
print("done")
"""


def test_a_job_that_is_killed_at_any_write_comes_to_the_same_end(
    store: Path, models_folder: Path, table: pa.Table, tmp_path: Path
) -> None:
    """Each bad row is named once, and the parts are the same bytes."""
    source = write(spoiled(table, [3, 600]), tmp_path / "in.parquet")
    local(source, tmp_path / "whole", max_bad=2)
    environment = {**os.environ, "PYTHONPATH": str(models_folder)}
    # Every write of a run in turn ends it; a run that comes to its end has fewer.
    for steps in (0, 1, 2, 1, 2, 1, 0, 1, 9):
        command = [sys.executable, "-c", KILLED, str(steps), str(source), str(tmp_path / "out")]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL or ended.stdout == "done\n", ended.stderr
    assert ended.stdout == "done\n"
    for path in (tmp_path / "whole").glob("part-*"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert [row["row"] for row in bad_rows(tmp_path / "out")] == [3, 600]


def test_a_job_that_ends_with_too_many_bad_rows_knows_its_rows_when_it_goes_on(
    store: Path, table: pa.Table, tmp_path: Path
) -> None:
    """Its last part is published, and has fewer rows than a part may have."""
    source = write(spoiled(table, [3]), tmp_path / "in.parquet")
    with pytest.raises(TooManyBadRowsError, match="1 of 1,000 rows"):
        local(source, tmp_path / "out", max_bad=0.0001)
    summary = local(source, tmp_path / "out", max_bad=1)
    assert (summary.rows, summary.scored, summary.bad, summary.parts) == (1000, 999, 1, 4)


def test_a_finished_job_is_not_done_again(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """It is told as it was."""
    source = write(table, tmp_path / "in.parquet")
    assert local(source, tmp_path / "out") == local(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "word"),
    [({"keep": ["id"]}, "passed through"), ({"method": "both"}, "the method"), ({"part_rows": 128}, "rows of a part")],
)
def test_the_output_of_another_job_is_refused(
    change: dict[str, Any], word: str, store: Path, table: pa.Table, tmp_path: Path
) -> None:
    """And kept; it is replaced only where that is said."""
    source = write(table, tmp_path / "in.parquet")
    local(source, tmp_path / "out")
    with pytest.raises(MapError, match=word):
        local(source, tmp_path / "out", **change)
    assert rows_of(tmp_path / "out").num_rows == 1000
    local(source, tmp_path / "out", overwrite=True, **change)


def test_another_model_under_the_same_tag_is_another_job(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """`latest` may mean another version tomorrow: parts of two models are no result."""
    import mapped_models

    source = write(table, tmp_path / "in.parquet")
    local(source, tmp_path / "out")
    model = mapped_models.Sums()
    model.other = True
    tiffin.save("sums:2", model, signatures={"predict": {"batchable": True}})
    with pytest.raises(MapError, match="the model"):
        local(source, tmp_path / "out")


def test_an_input_that_changed_between_runs_is_refused(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """By its content; a file that was only copied anew is the same."""
    source = write(spoiled(table, [900]), tmp_path / "in.parquet")
    with pytest.raises(TooManyBadRowsError):
        local(source, tmp_path / "out")
    os.utime(source, (1, 1))
    with pytest.raises(TooManyBadRowsError):
        local(source, tmp_path / "out")
    write(table, source)
    with pytest.raises(MapError, match="the input"):
        local(source, tmp_path / "out")


def test_an_input_that_changes_during_a_run_is_told(
    store: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no summary then: some rows are of one input, some of another."""
    from tiffin_map import _parts

    source = write(table, tmp_path / "in.parquet")
    publish: Callable[..., Any] = _parts.Output.publish

    def changing(*arguments: Any) -> Any:
        os.utime(source, (1, 1))
        return publish(*arguments)

    monkeypatch.setattr(_parts.Output, "publish", changing)
    with pytest.raises(MapError, match="changed while it was read"):
        local(source, tmp_path / "out")
    assert not (tmp_path / "out" / "_summary.json").exists()


def test_a_folder_with_other_files_is_refused(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """Nothing of somebody else's is mixed with parts, or removed."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(MapError, match=r"notes\.txt"):
            local(write(table, tmp_path / "in.parquet"), tmp_path / "out", overwrite=overwrite)
    assert (tmp_path / "out" / "notes.txt").exists()


def test_a_full_disk_ends_the_job_and_it_goes_on_when_there_is_room(
    store: Path, tmp_path: Path, small_disk: Path
) -> None:
    """Nothing half-written counts as a part."""
    numbers = np.random.default_rng(0)
    table = pa.table({"x": numbers.random(600_000), "y": numbers.random(600_000)})
    source = write(table, tmp_path / "in.parquet")
    (small_disk / "ballast").write_bytes(bytes(5 << 20))
    options = {"keep": ["x", "y"], "batch_rows": 50_000, "part_rows": 50_000}
    with pytest.raises(MapError, match="ballast"):
        local(source, small_disk, **options)
    with pytest.raises(StorageFullError):
        local(source, small_disk / "out", **options)
    (small_disk / "ballast").unlink()
    with pytest.raises(StorageFullError):  # 16 MB are more than the disk has
        local(source, small_disk / "out", **options)
    for part in (small_disk / "out").glob("part-*"):
        assert parquet.read_table(part).num_rows == 50_000


# What cannot begin


def test_files_whose_types_differ_are_refused(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """Before anything is scored: which file, which column, which types."""
    write(table, tmp_path / "in" / "a.parquet")
    write(table.set_column(1, "x", table["x"].cast("float32")), tmp_path / "in" / "b.parquet")
    with pytest.raises(MapError, match=r"Column 'x' is float in 'b\.parquet', and double in 'a\.parquet'"):
        local(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_column_that_is_missing_is_named_with_one_that_is_close(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """In the first file, and in any other."""
    write(table.rename_columns(["id", "width", "y"]), tmp_path / "in" / "a.csv")
    with pytest.raises(MapError, match=r"no column 'widht'.*Did you mean 'width'\?"):
        local(tmp_path / "in", tmp_path / "out", columns=["widht", "y"])
    write(table, tmp_path / "in" / "b.csv")
    with pytest.raises(MapError, match=r"'b\.csv' has no column 'width'"):
        local(tmp_path / "in", tmp_path / "out", columns=["width", "y"])


def test_sources_that_are_no_rows_are_refused(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """Nothing there, formats that are mixed or unknown, files that are none."""
    for name, words in (("nothing", "no file with rows"), ("mixed", "several formats"), ("text", "no format")):
        (tmp_path / name).mkdir()
        if name == "mixed":
            write(table, tmp_path / name / "a.csv")
            write(table, tmp_path / name / "b.parquet")
        if name == "text":
            (tmp_path / name / "a.txt").touch()
        with pytest.raises(MapError, match=words):
            local(tmp_path / name, tmp_path / "out")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(MapError, match=r"'broken\.parquet' is no readable parquet file"):
        local(tmp_path / "broken.parquet", tmp_path / "out")


def test_a_method_that_answers_no_rows_is_refused(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """What is not batchable may answer many rows with anything."""
    with pytest.raises(MapError, match="does not answer a batch row by row"):
        local(write(table, tmp_path / "in.parquet"), tmp_path / "out", method="whole")
    with pytest.raises(MapError, match=r"Did you mean 'predict'\?"):
        local(tmp_path / "in.parquet", tmp_path / "out", method="predit")


def test_no_rows_are_no_parts(store: Path, table: pa.Table, tmp_path: Path) -> None:
    """And no error."""
    summary = local(write(table.slice(0, 0), tmp_path / "in.parquet"), tmp_path / "out")
    assert (summary.rows, summary.parts) == (0, 0)

"""Tables on a terminal: what is typed again is never cut, and no line is wider than it must be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inside.cli import count, draw, read_labels, read_size
from tiffin.cli import show_table

HEADERS = ["TAG", "FRAMEWORK", "SIZE", "CREATED", "ALIASES", "LABELS"]
SHORT = ["iris:01k0tmb3kw4949pthx5k", "sklearn", "1.0 KiB", "2024-11-22 03:29:37", "prod", "stage=dev, owner=nlp-team"]
LONG = ["x" * 63 + ":01k0tmb3njesaw77ab8v", "picklable", "486 B", "2024-11-22 03:29:37", "", "experiment=baseline " * 5]


def drawn(rows: list[list[str]], width: int, capsys: Any, monkeypatch: Any, headers: list[str] = HEADERS) -> list[str]:
    """Return the lines of the table on a terminal of this width."""
    monkeypatch.setenv("COLUMNS", str(width))
    draw(headers, rows, right=[2])
    return list(capsys.readouterr().out.splitlines())


def test_a_table_that_fits_has_one_line_for_each_row(capsys: Any, monkeypatch: Any) -> None:
    """A header, a rule, and the rows, sizes to the right."""
    lines = drawn([SHORT, SHORT], 120, capsys, monkeypatch)
    assert len(lines) == 4
    assert set(lines[1]) == {"─"}
    assert len(lines[1]) == max(len(line) for line in lines)


def test_a_narrow_terminal_moves_columns_below_the_row(capsys: Any, monkeypatch: Any) -> None:
    """With their names; empty ones are left out."""
    lines = drawn([SHORT, LONG[:1] + SHORT[1:4] + ["", ""]], 80, capsys, monkeypatch)
    assert lines[0].split() == HEADERS[:-1]
    assert [line for line in lines if "labels:" in line] == ["    labels: stage=dev, owner=nlp-team"]


def test_one_long_tag_does_not_push_the_others_together(capsys: Any, monkeypatch: Any) -> None:
    """It gets a line of its own, and its row goes on below."""
    lines = drawn([SHORT, LONG, SHORT], 120, capsys, monkeypatch)
    assert LONG[0] in lines
    assert lines[0].split() == HEADERS
    assert [line for line in lines if line.startswith("iris:01k0tmb3kw4949pthx5k  sklearn")]


def test_a_long_column_is_wrapped_by_words(capsys: Any, monkeypatch: Any) -> None:
    """In its own column."""
    lines = drawn([[*SHORT[:5], "key=value " * 10]], 120, capsys, monkeypatch)
    start = lines[0].index("LABELS")
    assert len(lines) > 3
    assert all(line[:start].strip() == "" for line in lines[3:])
    assert max(map(len, lines)) <= 120


def test_of_thousands_of_rows_words_stay_whole_too(capsys: Any, monkeypatch: Any) -> None:
    """However many there are: no line is left for the terminal to break."""
    lines = drawn([[*SHORT[:5], f"note=number-{number} " * 4] for number in range(5000)], 80, capsys, monkeypatch)
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).count("note=number-") == 20_000


def test_a_strangers_text_in_a_cell_is_shown_escaped_and_no_other(capsys: Any, monkeypatch: Any) -> None:
    """All cells are looked at together first; one that hides something is found whichever it is."""
    for text, expected in (
        ("a  b", "a \\x20b"),
        (" a", "\\x20a"),
        ("a ", "a\\x20"),
        ("a\nb", "a\\nb"),
        ("a | b", "a | b"),
    ):
        for row in (0, 1):
            rows = [["x:1", "fine"], ["x:2", "fine too"]]
            rows[row][1] = text
            show_table(["TAG", "LABELS"], rows)
            assert [line.partition("  ")[2].strip() for line in capsys.readouterr().out.splitlines()[1:]] == [
                expected if index == row else rows[index][1] for index in (0, 1)
            ]


def test_paths_in_the_second_of_two_columns_are_whole(capsys: Any, monkeypatch: Any) -> None:
    """They run over the edge, where the terminal wraps them: copying gives them whole."""
    path = "/a-folder" * 15
    lines = drawn([["path", path], ["tag", "x:1"]], 80, capsys, monkeypatch, ["FIELD", "VALUE"])
    assert [line for line in lines if line.endswith(path)]


cells = st.text("abc :,=-", max_size=60).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,63}:[a-z0-9]{1,63}", fullmatch=True), *[cells] * 5).map(list),
        min_size=1,
        max_size=5,
    ),
    st.integers(20, 200),
)
@example([["a:00", "============== =", "", "", "", ""]], 20)
def test_tags_are_never_cut_at_any_width(capsys: Any, monkeypatch: Any, rows: list[list[str]], width: int) -> None:
    """Each stands whole at the beginning of a line, in order; only what cannot be broken is wider than the terminal."""
    lines = drawn(rows, width, capsys, monkeypatch)
    begins = [line.split()[0] for line in lines[2:] if line and not line.startswith(" ")]
    assert [begin for begin in begins if ":" in begin][: len(rows)] == [row[0] for row in rows]
    whole = (line for line in lines if len(line) > width and line.split()[0] not in begins and ":" not in line)
    assert all(len(line.split()) == 1 for line in whole)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1024**2 - 1, "1.0 MiB"), (5 * 1024**3, "5.0 GiB"),
     (1024**5, "1.0 PiB"), (3000 * 1024**5, "3000.0 PiB")],
)  # fmt: skip
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    """Powers of 1024, one digit behind the point."""
    assert read_size(size) == text


def test_counts_and_labels_as_people_read_them() -> None:
    """Singular and plural; a label without a value stands alone."""
    assert [count(number, "model") for number in (0, 1, 2)] == ["0 models", "1 model", "2 models"]
    assert count(2, "alias", "aliases") == "2 aliases"
    assert read_labels({"stage": "dev", "flag": ""}) == "stage=dev, flag"

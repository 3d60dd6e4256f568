"""Checking: a model's examples are replayed, and what has changed is told."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tiffin
from scaling import ROWS, Scale
from tiffin.cli import cli
from tiffin.exceptions import ExamplesError, PredictionsDifferError, UntrustedModelError
from tiffin.models import CheckReport, default_store

UNCHANGED, A_LITTLE, MUCH = 0.0, 1e-12, 0.5


def test_what_answers_as_it_did_is_equal(saved: tiffin.Model) -> None:
    """All methods, with the circumstances of then and now."""
    report = tiffin.models.check(saved.tag)
    assert report.verdict == "equal"
    assert [(one.method, one.example, one.verdict, one.steady) for one in report.answers] == [
        ("apply", 0, "equal", None),
        ("sizes", 0, "equal", None),
    ]
    assert report.versions_then == report.versions_now
    assert report.versions_then.keys() == {"Python", "tiffin", "attrs"}
    assert {"machine", "processors"} <= report.circumstances_then.keys()
    assert report.circumstances_then == report.circumstances_now


def test_what_has_changed_is_close_or_different(saved: tiffin.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its tolerance; only what has changed is flagged."""
    monkeypatch.setattr(Scale, "drift", A_LITTLE)
    report = tiffin.models.check(saved.tag)
    assert [one.verdict for one in report.answers] == ["close", "equal"]
    assert report.answers[0].steady
    assert report.answers[0].ulps is not None
    assert report.answers[0].ulps > 1
    assert tiffin.models.check(saved.tag, tolerances={"float64": 1e-15}).verdict == "different"
    monkeypatch.setattr(Scale, "drift", MUCH)
    report = tiffin.models.check(saved.tag)
    assert (report.verdict, report.answers[0].verdict, report.answers[0].where) == ("different", "different", "[0, 0]")


def test_answers_that_change_from_call_to_call_are_told_so(
    saved: tiffin.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then no framework is to blame."""
    numbers = count(1)
    monkeypatch.setattr(Scale, "drift", property(lambda self: next(numbers)))
    apply, sizes = tiffin.models.check(saved.tag).answers
    assert (apply.steady, sizes.steady) == (False, None)


def test_a_method_that_fails_is_different(saved: tiffin.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is told, and the others are replayed all the same."""

    def fails(self: Scale, rows: Any) -> Any:
        raise RuntimeError("no more")

    monkeypatch.setattr(Scale, "sizes", fails)
    report = tiffin.models.check(saved.tag)
    assert [one.verdict for one in report.answers] == ["equal", "different"]
    assert "RuntimeError: no more" in report.answers[1].found
    monkeypatch.delattr(Scale, "apply")
    assert tiffin.models.check(saved.tag).answers[0].found.startswith("It fails: ")


def test_load_with_check_returns_what_has_not_been_called(saved: tiffin.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Close answers pass; others raise, with the report."""
    assert tiffin.load(saved.tag, check=True).calls == 0
    monkeypatch.setattr(Scale, "drift", A_LITTLE)
    assert tiffin.load(saved.tag, check=True).factor == 3.0
    monkeypatch.setattr(Scale, "drift", MUCH)
    with pytest.raises(PredictionsDifferError, match=r"'scale:1' answers 1 of 2 examples otherwise.*apply\[") as caught:
        tiffin.load(saved.tag, check=True)
    assert caught.value.report.verdict == "different"
    assert tiffin.load(saved.tag).factor == 3.0


def test_a_model_without_examples_says_how_it_gets_some() -> None:
    """Nothing is taken for granted that was never recorded."""
    tiffin.save("scale:2", Scale(2.0))
    for call in (lambda: tiffin.models.check("scale:2"), lambda: tiffin.load("scale:2", check=True)):
        with pytest.raises(ExamplesError, match=r"has no examples to replay.*examples=x"):
            call()


def test_a_strangers_model_is_not_loaded_for_a_check(
    saved: tiffin.Model, adapter: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    """It needs the same trust as a load."""
    answer = {**adapter.context_info(), "code_files": ("*",), "code_readers": {}}
    tiffin.models.export_model(saved.tag, tmp_path / "it.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "elsewhere"))
    tiffin.models.import_model(tmp_path / "it.tar")
    assert tiffin.models.check("scale").verdict == "equal"  # its files run no code
    tiffin.unregister("scale")
    monkeypatch.setattr(type(adapter), "context_info", tiffin.hookimpl(lambda self: answer))
    tiffin.register(adapter, "scale")
    with pytest.raises(UntrustedModelError):
        tiffin.models.check("scale")
    assert tiffin.load("scale", trust=True, check=True).factor == 3.0


def test_a_verdict_is_kept_as_a_label(saved: tiffin.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one replaces it; the content stays what it is."""
    tiffin.models.check(saved.tag, keep=True)
    assert tiffin.get(saved.tag).labels == {"check": "equal"}
    monkeypatch.setattr(Scale, "drift", MUCH)
    tiffin.models.check(saved.tag, keep=True)
    assert tiffin.get(saved.tag).labels == {"check": "different"}
    assert tiffin.get(saved.tag).info.content_digest == saved.info.content_digest


def test_damaged_examples_are_told_and_not_taken_for_a_change(saved: tiffin.Model) -> None:
    """By check, which replays nothing, and by verify, which names the file."""
    from pathlib import Path

    path = Path(default_store().layout.examples, saved.info.content_digest.removeprefix("sha256:"))
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ExamplesError, match="its content is not that of its checksum"):
        tiffin.models.check(saved.tag)
    (problem,) = tiffin.models.verify()
    assert (problem.tag, problem.state, problem.path) == ("scale:1", "damaged", str(path))
    assert tiffin.load(saved.tag).factor == 3.0


@pytest.fixture
def run() -> Any:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["models", "check", *arguments], prog_name="tiffin")

    return run


def test_the_command_tells_by_its_exit_code(saved: tiffin.Model, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal and close is 0, different 6; the table has ulps, and versions, threads and devices below."""
    result = run("scale", "--keep")
    assert (result.exit_code, tiffin.get("scale").labels) == (0, {"check": "equal"})
    assert "processors" in result.stdout
    assert "attrs" in result.stdout
    monkeypatch.setattr(Scale, "drift", A_LITTLE)
    assert run("scale").exit_code == 0
    assert run("scale", "--tolerance", "float64=1e-15").exit_code == 6
    monkeypatch.setattr(Scale, "drift", MUCH)
    result = run("scale", "--json")
    assert result.exit_code == 6
    report = CheckReport.from_dict(json.loads(result.stdout))
    assert (report.verdict, report.answers[0].method) == ("different", "apply")
    assert run("scale", "--tolerance", "float64").exit_code == 2
    assert run("scale", "--tolerance", "int=1").exit_code == 1
    assert run("absent").exit_code == 3


def test_thread_counts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What sets them is recorded at the save, and told beside what is set now."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    tiffin.save("scale:1", Scale(2.0), examples=ROWS)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    report = tiffin.models.check("scale")
    assert report.circumstances_then["OMP_NUM_THREADS"] == "3"
    assert report.circumstances_now["OMP_NUM_THREADS"] == "1"
    if hasattr(np.ndarray, "device"):
        assert report.circumstances_then["device"] == report.circumstances_now["device"] == "cpu"

"""The conformance kit: a toy adapter passes, and each check has a wrong adapter that only it catches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import attrs
import numpy
import pytest
from click.testing import CliRunner

import tiffin
from tiffin.cli import cli
from tiffin.exceptions import ConformanceError
from tiffin.plugins import Registry
from tiffin.testing import LEVEL, Subject, check_adapter, checks
from toy_adapters import WRONG, NamesWhatIsNotThere, ScaleAdapter, TakesFiles, WritesMoreAtFirst
from toyframe import Rows, Scale

ROWS = numpy.array([1.0, 2.0, 4.0])
SUBJECT = Subject(
    framework="scale",
    make=partial(Scale, 2.5, "mm"),
    inputs={"apply": ROWS, "centre": ROWS, "wrap": Rows([1, 2, 4])},
    options={"digits": 5},
    parameters=vars,
    partial_kwargs={"apply": {"offset": 1.0}},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_registry: Registry) -> Path:
    """Return an empty folder, which the test stands in; no adapter is registered."""
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failed(subject: Subject) -> dict[str, str]:
    return {verdict.check: verdict.text for verdict in check_adapter(subject) if verdict.state == "failed"}


def test_the_toy_adapter_passes_every_check(folder: Path) -> None:
    """What keeps all promises passes, and each check has something to say of it."""
    tiffin.register(ScaleAdapter(), "scale")
    assert {verdict.check: verdict.text for verdict in check_adapter(SUBJECT) if verdict.state != "passed"} == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_adapter_is_caught_by_its_check_and_no_other(name: str, folder: Path) -> None:
    """Each check sees a fault that the others pass over."""
    tiffin.register(WRONG[name](), "scale")
    assert list(failed(SUBJECT)) == [name]


def test_a_model_that_is_not_fitted_is_to_refuse_alike_everywhere(folder: Path) -> None:
    """What it raises is compared, from a worker process too; a stream refuses when it is read."""
    tiffin.register(ScaleAdapter(), "scale")
    unfitted = attrs.evolve(SUBJECT, make=partial(Scale, None), partial_kwargs={}, refuses=True)
    asked = {**SUBJECT.inputs, "centre": None}
    assert failed(attrs.evolve(unfitted, inputs=asked)) == {}
    found = failed(attrs.evolve(unfitted, inputs={**asked, "centre": ROWS}))
    assert "load_gives_equal_answers" in found
    assert "the subject says that it refuses" in found["load_gives_equal_answers"]


def test_values_that_python_can_neither_copy_nor_pickle_are_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of compiled code often are: their kind says how they go from here to there."""

    def refuse(*_: Any) -> Any:
        raise TypeError("it cannot be converted to a Python object for pickling")

    tiffin.register(ScaleAdapter(), "scale")
    monkeypatch.setattr(Rows, "__reduce_ex__", refuse)
    assert failed(SUBJECT) == {}


def test_a_file_may_be_the_model(folder: Path) -> None:
    """It answers as what the adapter loads of it."""
    file = folder / "scale.json"
    file.write_text('{"factor": 2.5, "unit": "mm"}', encoding="utf-8")
    tiffin.register(TakesFiles(), "scale")
    subject = attrs.evolve(SUBJECT, make=partial(Path, str(file)), by_name=True, parameters=None)
    assert failed(subject) == {}


def test_what_a_first_save_alone_writes_is_not_taken_for_what_every_save_does(folder: Path) -> None:
    """Compiled modules, an adapter's own cache: no later save reaches the step at which the last one would be killed."""
    tiffin.register(WritesMoreAtFirst(), "scale")
    assert failed(SUBJECT) == {}


def test_every_check_has_a_wrong_adapter() -> None:
    """Whoever adds a check shows what it catches, and says since when it is one and what it promises."""
    known = list(checks())
    assert {check.name for check in known} == WRONG.keys()
    assert all(check.promise.endswith(".") and check.level <= LEVEL for check in known)


def test_the_page_says_what_each_check_promises() -> None:
    """An author reads there what his adapter is held to."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "check-an-adapter.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{check.name}` | {check.level} | {check.promise} |" for check in checks()]


def test_a_check_is_switched_off_with_a_reason(folder: Path) -> None:
    """The reason is in the verdict, and the adapter does not fail."""
    tiffin.register(NamesWhatIsNotThere(), "scale")
    [verdict] = [
        verdict
        for verdict in check_adapter(attrs.evolve(SUBJECT, off={"records_versions": "It has no versions."}))
        if verdict.check == "records_versions"
    ]
    assert (verdict.state, verdict.text) == ("off", "It has no versions.")


def test_a_check_that_passes_although_it_is_switched_off_fails(folder: Path) -> None:
    """Reasons that no longer hold do not stay."""
    tiffin.register(ScaleAdapter(), "scale")
    found = failed(attrs.evolve(SUBJECT, off={"records_versions": "It has no versions."}))
    assert list(found) == ["records_versions"]
    assert "passes although it is switched off (It has no versions.)" in found["records_versions"]


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_no_check_is_switched_off_without_a_reason(reason: Any) -> None:
    """An empty reason is none."""
    with pytest.raises(ConformanceError, match="is switched off with the reason"):
        attrs.evolve(SUBJECT, off={"records_versions": reason})


def test_what_is_no_check_cannot_be_switched_off(folder: Path) -> None:
    """A misspelled name would switch off nothing, and nobody would see it."""
    with pytest.raises(ConformanceError, match="records_version, which is no check"):
        check_adapter(attrs.evolve(SUBJECT, off={"records_version": "A reason."}))


def test_a_level_leaves_out_newer_checks() -> None:
    """A new release of Tiffin breaks no author's tests."""
    assert list(checks("2026.10")) == []
    with pytest.raises(ConformanceError, match=r"'2026\.13' is no level"):
        list(checks("2026.13"))


def test_the_kit_needs_no_pytest() -> None:
    """The command runs where only Tiffin and the adapter are installed."""
    program = "import sys, tiffin.testing as t; list(t.checks()); print('pytest' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("False", "")


SUITE = """
import pytest, tiffin
from toy_adapters import ScaleAdapter
from toyframe import Scale
from tiffin.testing import Subject
from tiffin.testing.suite import AdapterChecks

tiffin.register(ScaleAdapter(), "scale")

class TestNow(AdapterChecks):
    @pytest.fixture
    def subject(self):
        off = {"losses_are_reported": "It is a test.", "every_method_has_an_input": "It is another."}
        return Subject(framework="scale", make=lambda: Scale(2.5), off=off)
"""


def test_with_pytest_nothing_is_skipped(tmp_path: Path) -> None:
    """What does not apply passes and is told at the end; what is switched off is an expected failure with its reason."""
    (tmp_path / "test_scale.py").write_text(SUITE, encoding="utf-8")
    chosen = "losses or every_method or claims_no or options_are"
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", chosen, "test_scale.py"]
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1] / "helpers"),
        "TIFFIN_HOME": str(tmp_path / "home"),
    }
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=env).stdout
    assert "scale: options_are_kept: the subject has no options (model)" in said
    assert "PASSED test_scale.py::TestNow::test_conforms[options_are_kept]" in said
    assert "XFAIL test_scale.py::TestNow::test_conforms[every_method_has_an_input] - It is another." in said
    assert "skipped" not in said.splitlines()[-1]


def test_no_subject_is_no_pass(folder: Path) -> None:
    """An empty list of subjects would pass whatever the adapter does."""
    with pytest.raises(ConformanceError, match="no subject to check"):
        check_adapter([])


SUBJECTS = """
from tiffin.testing import Subject
import numpy
from toyframe import Rows, Scale

def model():
    return Scale(2.5)

ROWS = numpy.array([1.0, 2.0, 4.0])

def subjects():
    return [Subject(framework="scale", make=model, inputs={"apply": ROWS, "centre": ROWS, "wrap": Rows([1, 2])})]
"""


SHORT = """
class Short(Scale):
    wrap = property()
"""


@pytest.mark.parametrize("passes", [True, False])
def test_the_command_prints_verdicts_and_says_by_its_exit_code_whether_all_pass(
    passes: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script of an author's reads the JSON, or only the exit code."""
    monkeypatch.syspath_prepend(folder)
    module = f"scale_subjects_{passes}"
    (folder / f"{module}.py").write_text(SUBJECTS)
    invalidate_caches()
    tiffin.register(ScaleAdapter() if passes else NamesWhatIsNotThere(), "scale")
    result = CliRunner().invoke(cli, ["plugins", "check", "scale", "--subjects", f"{module}:subjects", "--json"])
    assert result.exit_code == (0 if passes else 1), result.output
    report = json.loads(result.stdout)
    assert (report["adapter"], report["passed"]) == ("scale", passes)
    states = {verdict["check"]: verdict["state"] for verdict in report["verdicts"]}
    assert states.keys() == {check.name for check in checks()}
    assert states["records_versions"] == ("passed" if passes else "failed")


def test_a_model_that_cannot_be_saved_is_told_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in as many words as there are checks; with what to write where classes differ in their methods."""
    monkeypatch.syspath_prepend(folder)
    (folder / "scale_subjects_short.py").write_text(SUBJECTS.replace("Scale(2.5)", "object.__new__(Short)") + SHORT)
    invalidate_caches()
    tiffin.register(ScaleAdapter(), "scale")
    result = CliRunner().invoke(cli, ["plugins", "check", "scale", "--subjects", "scale_subjects_short:subjects"])
    assert result.exit_code == 1
    assert result.stderr.count("has no method 'wrap'") == 1, result.stderr
    assert re.search(r"failed every_method\w+ and \d+ other checks \(model\): The model cannot be saved", result.stderr)
    assert "let 'signatures' of context_info be a function" in result.stderr


def test_the_command_says_what_to_write_where_an_adapter_has_no_subjects(folder: Path) -> None:
    """The author of an adapter without them is told what is missing, without a traceback."""
    tiffin.register(ScaleAdapter(), "scale")
    result = CliRunner().invoke(cli, ["plugins", "check", "scale", "--subjects", "no_such_module:subjects"])
    assert result.exit_code == 1
    assert "cannot be had from 'no_such_module:subjects': ModuleNotFoundError" in result.stderr
    assert "returns a list of tiffin.testing.Subject" in result.stderr

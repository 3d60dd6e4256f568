"""The conformance kit: a toy adapter passes, and each check has a wrong adapter that only it catches."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from importlib import import_module, invalidate_caches
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


class Scale:
    """A toy model."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def apply(self, values: Any) -> Any:
        return values * self.factor

    def centre(self, values: Any) -> Any:
        return values - values.mean()


class ScaleAdapter:
    """A toy adapter that keeps all promises."""

    types: tuple[str, ...] = (f"{Scale.__module__}.{Scale.__qualname__}",)
    by_name: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ("attrs",)
    centre: bool = False

    @tiffin.hookimpl
    def context_info(self) -> dict[str, Any]:
        return {
            "types": self.types,
            "types_by_name": self.by_name,
            "distributions": self.distributions,
            "signatures": {"apply": {"batchable": True}, "centre": {"batchable": self.centre}},
            "options": {"digits": 3},
            "code_files": (),
        }

    @tiffin.hookimpl
    def save(self, model: Any, path: Path, options: Any) -> Any:
        return self.write(model, path)

    @tiffin.hookimpl
    def load(self, path: Path) -> Any:
        return self.read(path)

    def write(self, model: Any, path: Path) -> Any:
        (path / "scale.json").write_text(json.dumps(model.factor), encoding="utf-8")

    def read(self, path: Path) -> Any:
        return Scale(json.loads((path / "scale.json").read_text(encoding="utf-8")))


class TakesByNameOnly(ScaleAdapter):
    types = ()
    by_name = ScaleAdapter.types


class ClaimsDicts(ScaleAdapter):
    types = (*ScaleAdapter.types, "builtins.dict")


class ChangesTheModel(ScaleAdapter):
    def write(self, model: Any, path: Path) -> Any:
        super().write(model, path)
        model.factor = 0.0


class Rounds(ScaleAdapter):
    def read(self, path: Path) -> Any:
        return Scale(round(super().read(path).factor))


class Keeps(ScaleAdapter):
    def __init__(self) -> None:
        self.kept: dict[Path, Any] = {}

    def read(self, path: Path) -> Any:
        return self.kept.setdefault(path, super().read(path))


class Touches(ScaleAdapter):
    def read(self, path: Path) -> Any:
        os.utime(path / "scale.json")
        return super().read(path)


class Litters(ScaleAdapter):
    def write(self, model: Any, path: Path) -> Any:
        Path("scale.log").write_text("saved", encoding="utf-8")
        super().write(model, path)


class HidesAPickle(ScaleAdapter):
    def write(self, model: Any, path: Path) -> Any:
        (path / "scale.json").write_bytes(pickle.dumps(model.factor))

    def read(self, path: Path) -> Any:
        return Scale(pickle.loads((path / "scale.json").read_bytes()))


def store_of(path: Path) -> str:
    return str(next(folder for folder in path.parents if folder.name == "store"))


class KnowsItsPlace(ScaleAdapter):
    def write(self, model: Any, path: Path) -> Any:
        super().write(model, path)
        (path / "place").write_text(store_of(path), encoding="utf-8")

    def read(self, path: Path) -> Any:
        here = (path / "place").read_text(encoding="utf-8") == store_of(path)
        return super().read(path) if here else Scale(0.0)


class NamesNoDistribution(ScaleAdapter):
    distributions = ()


class DropsOptions(ScaleAdapter):
    def write(self, model: Any, path: Path) -> Any:
        super().write(model, path)
        return {"digits": 3}


class KnowsItsProcess(ScaleAdapter):
    def write(self, model: Any, path: Path) -> Any:
        super().write(model, path)
        (path / "process").write_text(str(os.getpid()), encoding="utf-8")

    def read(self, path: Path) -> Any:
        here = (path / "process").read_text(encoding="utf-8") == str(os.getpid())
        return super().read(path) if here else Scale(0.0)


class MergesWhatDoesNotMerge(ScaleAdapter):
    centre = True


WRONG: dict[str, type[ScaleAdapter]] = {
    "claims_its_models": TakesByNameOnly,
    "claims_no_others": ClaimsDicts,
    "saving_changes_nothing": ChangesTheModel,
    "load_gives_equal_answers": Rounds,
    "load_returns_a_new_object": Keeps,
    "load_writes_nothing": Touches,
    "save_writes_below_its_path": Litters,
    "pickles_are_declared": HidesAPickle,
    "loads_after_a_move": KnowsItsPlace,
    "records_versions": NamesNoDistribution,
    "options_are_kept": DropsOptions,
    "answers_alike_in_another_process": KnowsItsProcess,
    "a_batch_equals_its_rows": MergesWhatDoesNotMerge,
}

ROWS = numpy.array([1.0, 2.0, 4.0])
SUBJECT = Subject(
    framework="scale", make=lambda: Scale(2.5), inputs={"apply": ROWS, "centre": ROWS}, options={"digits": 5}
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
    """What keeps all promises passes, and each check but that of packages has something to say of it."""
    tiffin.register(ScaleAdapter(), "scale")
    verdicts = check_adapter(SUBJECT)
    others = {verdict.check: verdict.text for verdict in verdicts if verdict.state != "passed"}
    assert others == {"discovery_imports_no_framework": "the adapter is an object of the running program"}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_adapter_is_caught_by_its_check_and_no_other(name: str, folder: Path) -> None:
    """Each check sees a fault that the others pass over."""
    tiffin.register(WRONG[name](), "scale")
    assert list(failed(SUBJECT)) == [name]


MODULE = """
from tiffin import hookimpl
{outside}

@hookimpl
def context_info():
    return {{"types": ["scalelib.Scale"], "distributions": ["attrs"], "signatures": {{}}, "code_files": []}}

@hookimpl
def save(model, path):
    (path / "scale.txt").write_text(str(model.factor))

@hookimpl
def load(path):
    import scalelib
    return scalelib.Scale(float((path / "scale.txt").read_text()))
"""


@pytest.mark.parametrize(("outside", "caught"), [("", []), ("import scalelib", ["discovery_imports_no_framework"])])
def test_an_adapter_that_imports_its_framework_at_the_top_is_caught(
    outside: str, caught: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for an object's adapter must not cost the import of all frameworks."""
    name = f"tiffin_scale_{len(outside)}"
    (folder / "scalelib.py").write_text("class Scale:\n    def __init__(self, factor):\n        self.factor = factor\n")
    (folder / f"{name}.py").write_text(MODULE.format(outside=outside))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "scalelib", raising=False)
    invalidate_caches()
    tiffin.register(import_module(name), "scale")
    assert list(failed(Subject(framework="scale", make=lambda: import_module("scalelib").Scale(2.0)))) == caught


def test_every_check_has_a_wrong_adapter() -> None:
    """Whoever adds a check shows what it catches, and says since when it is one and what it promises."""
    known = list(checks())
    assert [check.name for check in known if check.name not in {*WRONG, "discovery_imports_no_framework"}] == []
    assert WRONG.keys() <= {check.name for check in known}
    assert all(check.promise.endswith(".") and check.level <= LEVEL for check in known)


def test_the_page_says_what_each_check_promises() -> None:
    """An author reads there what his adapter is held to."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "check-an-adapter.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{check.name}` | {check.level} | {check.promise} |" for check in checks()]


def test_a_check_is_switched_off_with_a_reason(folder: Path) -> None:
    """The reason is in the verdict, and the adapter does not fail."""
    tiffin.register(NamesNoDistribution(), "scale")
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


def test_no_subject_is_no_pass(folder: Path) -> None:
    """An empty list of subjects would pass whatever the adapter does."""
    with pytest.raises(ConformanceError, match="no subject to check"):
        check_adapter([])


SUBJECTS = """
from tiffin.testing import Subject
from {name} import model

def subjects():
    return [Subject(framework="scale", make=model)]
"""


@pytest.mark.parametrize("passes", [True, False])
def test_the_command_prints_verdicts_and_says_by_its_exit_code_whether_all_pass(
    passes: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script of an author's reads the JSON, or only the exit code."""
    monkeypatch.syspath_prepend(folder)
    module = f"scale_subjects_{passes}"
    (folder / f"{module}_model.py").write_text(f"from {__name__} import Scale\ndef model(): return Scale(2.5)\n")
    (folder / f"{module}.py").write_text(SUBJECTS.format(name=f"{module}_model"))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Scale.__module__])
    invalidate_caches()
    tiffin.register(ScaleAdapter() if passes else NamesNoDistribution(), "scale")
    result = CliRunner().invoke(cli, ["plugins", "check", "scale", "--subjects", f"{module}:subjects", "--json"])
    assert result.exit_code == (0 if passes else 1), result.output
    report = json.loads(result.stdout)
    assert (report["adapter"], report["passed"]) == ("scale", passes)
    states = {verdict["check"]: verdict["state"] for verdict in report["verdicts"]}
    assert states.keys() == {check.name for check in checks()}
    assert states["records_versions"] == ("passed" if passes else "failed")


def test_the_command_says_what_to_write_where_an_adapter_has_no_subjects(folder: Path) -> None:
    """The author of an adapter without them is told what is missing, without a traceback."""
    tiffin.register(ScaleAdapter(), "scale")
    result = CliRunner().invoke(cli, ["plugins", "check", "scale", "--subjects", "no_such_module:subjects"])
    assert result.exit_code == 1
    assert "cannot be had from 'no_such_module:subjects': ModuleNotFoundError" in result.stderr
    assert "returns a list of tiffin.testing.Subject" in result.stderr

"""Code by value, kind by kind: saved by one program, used by another, saved there once more, and used by a third."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tiffin import pickling

TEXT = (Path(__file__).parents[1] / "data" / "code_by_value.txt").read_text(encoding="utf-8")
SECTIONS = dict(section.split("\n", 1) for section in TEXT.split("\n=== ")[1:])
LIBRARY = SECTIONS.pop("@external")
NEW = "Python 3.12"
CASES = {
    name: (LIBRARY + "\n" if name.startswith("external") else "", *text.split("\n--- "))
    for name, text in SECTIONS.items()
    if NEW not in name or sys.version_info >= (3, 12)
}
WORKS = {name: use.removeprefix("use\n") for name, (_, _, use) in CASES.items() if use.startswith("use")}
REFUSED = {name: end.split()[1:] for name, (_, _, end) in CASES.items() if end.startswith("refused")}

SAVE = "import sys\next = []\n{}\nimport tiffin\ntiffin.save({!r}, obj, external_modules=ext)\n"
USE = """
import json, sys, traceback, tiffin
failed = {}
for name, (tag, use, again) in json.load(sys.stdin).items():
    try:
        obj = tiffin.load(tag)
        if again:
            tiffin.save(again, obj)
        exec(use, {"obj": obj})
    except Exception:
        failed[name] = traceback.format_exc()
print(json.dumps(failed))
"""


def run(code: str, folder: Path, given: str = "") -> tuple[int, str, str]:
    """Run a program in a folder of its own; return its exit code, output and errors."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "TIFFIN_HOME": str(folder.parent / "home")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, input=given, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def tag(name: str, version: str) -> str:
    """Return a tag made of a case's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()) + ":" + version


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return for each case what its save, and the two uses of it, ended with."""
    folder = tmp_path_factory.mktemp("programs")

    def save(case: tuple[int, str]) -> tuple[int, str, str]:
        number, name = case
        prelude, define, _ = CASES[name]
        return run(SAVE.format(prelude + define, tag(name, "first")), folder / str(number))

    with ThreadPoolExecutor(2) as pool:
        saved = dict(zip(CASES, pool.map(save, enumerate(CASES)), strict=True))
    good = {name: use for name, use in WORKS.items() if saved[name][0] == 0}
    results: dict[str, Any] = {"save": saved}
    for stage, version, again in (("use", "first", "second"), ("again", "second", "")):
        work = {name: (tag(name, version), use, again and tag(name, again)) for name, use in good.items()}
        code, output, errors = run(USE, folder / stage, json.dumps(work))
        assert code == 0, errors
        results[stage] = json.loads(output)
    return results


@pytest.mark.parametrize("name", WORKS)
def test_code_by_value_works_in_other_programs(name: str, outcomes: dict[str, Any]) -> None:
    """What a program defines answers as it did, where nothing of that program is; also when saved from there again."""
    code, _, errors = outcomes["save"][name]
    assert code == 0, errors
    assert outcomes["use"].get(name) is None, outcomes["use"][name]
    assert outcomes["again"].get(name) is None, outcomes["again"][name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_loaded_nowhere_else_is_refused_by_place(name: str, outcomes: dict[str, Any]) -> None:
    """The error of the save says where the part is."""
    code, _, errors = outcomes["save"][name]
    last = errors.strip().splitlines()[-1]
    assert code == 1
    assert "tiffin.exceptions.PicklingError: " in last
    assert [word for word in REFUSED[name] if word not in last] == []


VERSIONS = """
import tiffin
class Base:
    def limit(self): return self.threshold
class Clf(Base):
    threshold = 0.1
    table = {}
    def predict(self, x): return x > self.limit()
Clf.table[Clf] = 0.1
class Mode(__import__("enum").Enum):
    A = 1
tiffin.save("clf:v1", Clf(), custom_objects={"other": Clf(), "mode": Mode.A})
Clf.threshold = 0.9
Base.limit = lambda self: self.threshold + 1
tiffin.save("clf:v2", Clf(), custom_objects={"other": Clf()})
live = Clf()
Clf.extra = 5
old = tiffin.load("clf:v1")
assert Clf.threshold == 0.9 and Clf.extra == 5 and not live.predict(1.5) and type(old) is not Clf
"""


def test_a_class_by_value_belongs_to_its_version(tmp_path: Path) -> None:
    """Each version answers as saved, whatever is loaded later; the live class of the program stays as it is."""
    code, _, output = run(VERSIONS, tmp_path / "a")
    assert code == 0, output
    use = """
    import tiffin
    one = tiffin.load("clf:v1"); other = tiffin.get("clf:v1").custom_objects["other"]
    mode = tiffin.get("clf:v1").custom_objects["mode"]
    two = tiffin.load("clf:v2"); tiffin.get("clf:v2").custom_objects["other"]
    assert one.predict(0.5) and other.predict(0.5) and not two.predict(1.5) and two.predict(2)
    assert type(one).table == {type(one): 0.1} and type(mode)(1) is mode
    """
    code, _, output = run("\n".join(line.strip() for line in use.splitlines()), tmp_path / "b")
    assert code == 0, output


@pytest.mark.parametrize("where", [None, "_missing", "_faulty"])
def test_a_module_that_fails_when_it_is_asked_is_passed_over(
    where: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks for names in other modules' code must not fail with it."""

    class Faulty(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("faulty")

    class Model:
        def predict(self) -> str:
            return "works"

    def predict() -> str:
        return "works"

    monkeypatch.setitem(sys.modules, "_faulty", Faulty("_faulty"))
    Model.__module__ = predict.__module__ = where  # type: ignore[assignment]
    pickling.dump([Model(), predict], tmp_path)
    model, function = pickling.load(tmp_path)
    assert (model.predict(), function()) == ("works", "works")

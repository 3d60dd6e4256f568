"""An adapter tells what files of a format of its own would import, with a function in `code_readers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tiffin
from tiffin import Model, hookimpl, models
from tiffin.exceptions import HookError, UntrustedModelError
from tiffin.inspection import Inspection, Tape
from tiffin.store import ModelStore


class Rules:
    """Stores a text; each line that begins with "import" would import something."""

    @hookimpl
    def context_info(self) -> dict[str, Any]:
        return {
            "types": ["builtins.str"],
            "code_files": ["*.rules"],
            "code_readers": {"*.rules": self.inspect},
            "functions": ["rules.add"],
        }

    def inspect(self, path: Path) -> Inspection:
        lines = path.read_text(encoding="utf-8").splitlines()
        names = tuple(line.split()[1] for line in lines if line.startswith("import "))
        tape = None
        if lines[:1] == ["tape"]:
            tape = Tape()
            tape.result = tape.new_list(lines[1:])
        return Inspection("rules", names, ("It is empty",) if not lines else (), tape)

    @hookimpl
    def save(self, model: str, path: Path) -> None:
        (path / "text.rules").write_text(model, encoding="utf-8")

    @hookimpl
    def load(self, path: Path, trusted: bool, read: Any) -> Any:
        if not trusted:
            return read("text.rules")
        return (path / "text.rules").read_text(encoding="utf-8")


@pytest.fixture
def send(tmp_path: Path) -> Iterator[Callable[[str], Model]]:
    """Save a text elsewhere, and import it here."""
    tiffin.register(Rules(), name="rules")
    elsewhere, here = ModelStore(tmp_path / "elsewhere"), ModelStore(tmp_path / "here")

    def send(text: str) -> Model:
        tag = elsewhere.save("gift", text, framework="rules").tag
        archive = models.export_model(tag, tmp_path / "gift.tar", force=True, store=elsewhere)
        return models.import_model(archive, store=here)

    yield send
    tiffin.unregister("rules")


def test_what_a_reader_writes_on_a_tape_is_built(send: Callable[[str], Model]) -> None:
    """As what a pickle says."""
    assert send("tape\na\nb").load() == ["a", "b"]


def test_a_reader_without_a_tape_can_refuse_and_never_allow(send: Callable[[str], Model]) -> None:
    """Names alone do not tell what a file would do with them."""
    with pytest.raises(UntrustedModelError, match="nothing to build"):
        send("import rules.add\n1 1").load()


def test_other_names_and_problems_need_trust(send: Callable[[str], Model]) -> None:
    """The names are in the error and in the report, with the format."""
    gift = send("import os.system\n")
    with pytest.raises(UntrustedModelError, match=r"os\.system"):
        gift.load()
    report = models.inspect(gift.tag, store=gift._source)  # type: ignore[arg-type]
    assert [(file.format, file.not_allowed) for file in report.files] == [("rules", ("os.system",))]
    assert gift.load(trust=True) == "import os.system\n"
    with pytest.raises(UntrustedModelError, match="It is empty"):
        send("").load()


def test_a_reader_is_a_known_word_or_a_function() -> None:
    """Anything else blames the adapter."""

    class Wrong:
        @hookimpl
        def context_info(self) -> dict[str, Any]:
            return {"code_readers": {"*.x": "skops"}}

    with pytest.raises(HookError, match="or a function"):
        tiffin.register(Wrong(), name="wrong")

"""The commands: inspect, trust and untrust, and the hint after an import."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tiffin
from tiffin import Model, models
from tiffin.cli import cli

Bring = Callable[..., Model]


def run(*arguments: str, answer: str | None = None) -> Any:
    return CliRunner().invoke(cli, arguments, input=answer)


def test_inspect_shows_files_and_names_and_runs_nothing(from_elsewhere: Bring, evil: Any, canary: Path) -> None:
    """The table has every file, whether it can run code, and what no list allows."""
    gift = from_elsewhere(evil)
    result = run("models", "inspect", str(gift.tag))
    assert result.exit_code == 0, result.output
    for word in ("box.pkl", "imported from", "does not load", "Imports that no list allows:", "posix.system"):
        assert word in result.stdout
    assert not canary.exists()


def test_inspect_prints_json_for_programs(from_elsewhere: Bring, evil: Any) -> None:
    """All facts are there as data."""
    gift = from_elsewhere(evil)
    found = json.loads(run("models", "inspect", str(gift.tag), "-o", "json").stdout)
    assert found["verdict"] == "refused"
    assert found["loads"] is False
    assert found["files"][0]["not_allowed"] == ["posix.system"]
    assert "posix.system" in run("models", "inspect", str(gift.tag), "-o", "yaml").stdout


def test_trust_shows_what_would_run_and_asks(from_elsewhere: Bring, evil: Any) -> None:
    """A "no" changes nothing; a "yes" is noted."""
    gift = from_elsewhere(evil)
    refused = run("models", "trust", str(gift.tag), answer="n\n")
    assert refused.exit_code == 1
    assert "posix.system" in refused.output
    assert models.inspect(gift.tag).verdict == "refused"
    assert run("models", "trust", str(gift.tag), answer="y\n").exit_code == 0
    assert models.inspect(gift.tag).verdict == "trusted"


def test_trust_with_yes_does_not_ask_and_untrust_takes_it_back(from_elsewhere: Bring, evil: Any) -> None:
    """For scripts."""
    gift = from_elsewhere(evil)
    assert run("models", "trust", "-y", str(gift.tag)).stdout == f"Trusted {gift.tag}\n"
    origin = models.inspect(gift.tag).origin
    assert origin is not None
    assert origin["trusted"]["how"] == "tiffin models trust"
    assert run("models", "untrust", str(gift.tag)).exit_code == 0
    assert models.inspect(gift.tag).verdict == "refused"


def test_trust_of_what_needs_none_says_so(adapter: Any, store_home: Path, box: Any) -> None:
    """A model that was made here is not asked about."""
    model = tiffin.save("mine", box([1]))
    assert "It needs no trust" in run("models", "trust", str(model.tag)).stdout


@pytest.mark.parametrize("harmless", [True, False])
def test_import_says_what_an_untrusted_model_needs(
    harmless: bool, from_elsewhere: Bring, evil: Any, tmp_path: Path
) -> None:
    """Whoever imports learns at once that the model will not load, and why."""
    gift = from_elsewhere([1] if harmless else evil)
    archive = models.export_model(gift.tag, tmp_path / "a.tiffin")
    models.delete(gift.tag)
    result = run("models", "import", archive)
    assert result.exit_code == 0
    assert ("is not trusted" in result.stderr) is not harmless


def test_inspect_works_without_the_adapter(from_elsewhere: Bring, evil: Any) -> None:
    """What a model would import is shown before its adapter is installed, and every file counts."""
    gift = from_elsewhere(evil)
    tiffin.unregister("box")
    found = models.inspect(gift.tag)
    assert found.verdict == "refused"
    assert "posix.system" in found.not_allowed
    assert any("not installed" in problem for problem in found.problems)
    assert run("models", "inspect", str(gift.tag)).exit_code == 0


def test_a_name_from_a_file_cannot_write_to_the_terminal(from_elsewhere: Bring, tmp_path: Path) -> None:
    """Control characters in names are shown as escapes."""
    import pickle

    class Named:
        def __reduce__(self) -> Any:
            return dict, ()

    gift = from_elsewhere([1], by="copy")
    gift.path.chmod(0o755)
    (gift.path / "x.pkl").write_bytes(b"cos\x1b[2Jx\nsystem\n(tR.")
    assert pickle.dumps(Named())
    result = run("models", "inspect", str(gift.tag))
    assert "\x1b[2J" not in result.stdout
    assert "\\x1b[2Jx.system" in result.stdout
    with pytest.raises(tiffin.exceptions.UntrustedModelError) as caught:
        gift.load()
    assert "\x1b" not in str(caught.value)


def test_a_model_that_loads_without_its_custom_objects_is_told_so(
    from_elsewhere: Bring, evil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each custom object is judged alone, so the verdict on the model is not that it does not load."""
    gift = from_elsewhere([1], custom_objects={"bad": [evil]})
    assert "loads, but not all of its custom objects" in run("models", "inspect", str(gift.tag)).stdout
    both = from_elsewhere(evil, custom_objects={"bad": [evil]})
    assert "custom objects" not in run("models", "inspect", str(both.tag)).stdout.partition("FILE ")[0]
    monkeypatch.setenv("TIFFIN_TRUST_POLICY", "never")
    assert "does not load" in run("models", "inspect", str(gift.tag)).stdout


def test_the_question_shows_all_that_is_refused_each_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing hides behind "and more", and no name looks like two, or like the end of the list."""
    from inside.cli import _show
    from tiffin.trust import FileReport, TrustReport

    names = tuple(f"module_{number}.run" for number in range(300))
    faked = "a.b\n  numpy.ndarray", "a.c" + " " * 200 + "numpy.dtype", "a.\u202ed", "x" * 5000
    file = FileReport("m.pkl", 1, "kv", True, "pickle", (*names, *faked), (*names, *faked), ("It is\x1b[2J odd\nfine",))
    _show(TrustReport("iris:1", "kv", None, "", "ask", (file,), "refused"), names=False)
    printed = capsys.readouterr().out.splitlines()
    start = printed.index("Imports that no list allows:") + 1
    lines = printed[start : printed.index("", start)]
    assert len(lines) == len(names) + len(faked)
    assert all(line.startswith("  ") and " " not in line[2:] and line.isprintable() for line in lines)
    assert "  " + "x" * 5000 in lines
    assert printed[-1] == "  m.pkl: It is\\x1b[2J odd\\nfine"


def test_what_is_trusted_must_be_what_was_shown(from_elsewhere: Bring, evil: Any) -> None:
    """The digest that `inspect` tells binds what is trusted to what was looked at."""
    gift = from_elsewhere(evil)
    shown = models.inspect(gift.tag).content_digest
    other = "sha256:" + "0" * 64
    with pytest.raises(tiffin.exceptions.UntrustedModelError, match="is not what was shown"):
        models.trust(gift.tag, content_digest=other)
    refused = run("models", "trust", "-y", "--digest", other, str(gift.tag))
    assert refused.exit_code == 1
    assert models.inspect(gift.tag).verdict == "refused"
    assert run("models", "trust", "-y", "--digest", shown, str(gift.tag)).exit_code == 0
    assert models.inspect(gift.tag).verdict == "trusted"


def test_what_changes_while_the_question_is_open_is_not_trusted(
    from_elsewhere: Bring, evil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forced pull between look and answer changes what the tag means, and the answer was about the other."""
    gift = from_elsewhere(evil)

    def replace(*_: object, **__: object) -> bool:
        from_elsewhere([evil, evil], over=gift.tag)
        return True

    monkeypatch.setattr("click.confirm", replace)
    result = run("models", "trust", str(gift.tag))
    assert result.exit_code == 1
    assert models.inspect(gift.tag).verdict == "refused"

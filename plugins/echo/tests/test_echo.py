"""The public test double does what its page says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiffin
import tiffin_echo
from tiffin.exceptions import StoreError
from tiffin_echo import Echo, EchoError


def test_it_answers_what_it_is_told_to() -> None:
    """A test says beforehand what the model will answer, to one call and to each row."""
    echo = tiffin.save("echo", Echo(answer={"score": 0.5})).load()
    assert echo("anything") == {"score": 0.5}
    assert echo.predict([1, 2]) == [{"score": 0.5}, {"score": 0.5}]


def test_it_fails_where_it_is_told_to() -> None:
    """How a service answers for a broken model can be tested without one."""
    with tiffin.save("echo", Echo(error="out of order")).to_runner() as runner:
        with pytest.raises(EchoError, match="out of order"):
            runner.predict.run([1, 2])
        with pytest.raises(EchoError, match="out of order"):
            list(runner.stream.run("ab"))


def test_the_option_replaces_the_prefix() -> None:
    """It is the double for whatever passes options on, for one load or for all."""
    saved = tiffin.save("echo", Echo(prefix="a "), prefix="b ")
    assert (saved.load()("x"), saved.with_options(prefix="c ").load()("x")) == ("b x", "c x")


def test_partial_kwargs_stand_behind_the_answer() -> None:
    """It is the double for whatever passes them on."""
    saved = tiffin.save("echo", Echo(), partial_kwargs={"__call__": {"suffix": "!"}})
    with saved.to_runner() as runner:
        assert (runner.run("x"), runner.run("x", suffix="?")) == ("x!", "x?")


def test_what_json_does_not_keep_is_refused() -> None:
    """A tuple would come back as a list, and a test would look for the fault elsewhere."""
    with pytest.raises(TypeError, match=r"JSON does not keep the answer \(1, 2\)"):
        tiffin.save("echo", Echo(answer=(1, 2)))


def test_a_model_of_anybody_s_loads() -> None:
    """Nothing in its file can run code: it is JSON."""
    saved = tiffin.save("echo", Echo(answer=[1]))
    assert json.loads(saved.path_of("echo.json").read_text(encoding="utf-8"))["answer"] == [1]
    assert tiffin.models.inspect(saved.tag).files[0].runs_code is False


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "[]", "{", '{"other": 1}', '{"answer": [' + "{}," * 400_000 + "{}]}"], ids=range(5)
)
def test_a_strangers_file_is_read_with_a_bound(content: str, tmp_path: Path) -> None:
    """One that nests without end, or takes thirty times its bytes, is refused and not read."""
    (tmp_path / "echo.json").write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match=r"echo\.json' (cannot be read|holds no Echo)"):
        tiffin_echo.load(tmp_path, tiffin_echo.EchoOptions())


def test_what_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    """An answer beyond the bound is told when it is saved."""
    with pytest.raises(ValueError, match="more than the"):
        tiffin_echo.save(Echo(answer="x" * (1 << 20)), tmp_path)

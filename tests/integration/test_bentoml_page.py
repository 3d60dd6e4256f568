"""The page "Move from BentoML" and the code say the same: every name, its parameters, what differs."""

from __future__ import annotations

import inspect
import re
from typing import Any

import click
import pytest

import bentoml_page
import tiffin
from bentoml_page import NONE, Row
from tiffin.cli import cli
from tiffin.frameworks import Framework
from tiffin.hints import install_hint

ROWS = bentoml_page.rows()
NAMES = bentoml_page.names()
TEXT = bentoml_page.PAGE.read_text(encoding="utf-8")


class Both(tiffin.Runnable):
    """A runnable with a method of each kind."""

    @tiffin.Runnable.method
    def method(self) -> int:
        return 1

    @tiffin.Runnable.method
    async def stream(self) -> Any:
        yield 1


RUNNER = tiffin.Runner(Both)


def find(name: str) -> Any:
    """Return what a name on the page stands for; raises AttributeError or KeyError where there is none."""
    if name.startswith("tiffin models "):
        command = cli.get_command(click.Context(cli, info_name="tiffin"), "models")
        assert isinstance(command, click.Group)
        context = click.Context(command, info_name="models", parent=click.Context(cli, info_name="tiffin"))
        found = command.resolve_command(context, [name.split()[-1]])[1]
        assert found is not None
        return found
    if name == "runner.method.async_stream":
        return RUNNER.methods["stream"].async_stream  # type: ignore[union-attr]
    first, *rest = name.split(".")
    if first == "tiffin" and len(rest) == 2 and install_hint(rest[0]):  # a framework, installed here or not
        return getattr(Framework, rest[1])
    places = {"tiffin": tiffin, "runner": RUNNER, "ModelInfo": tiffin.models.ModelInfo}
    thing: Any = places.get(first) or getattr(tiffin, first)
    for part in rest:
        if thing is tiffin.Runner and part in vars(RUNNER):
            thing = RUNNER
        thing = getattr(thing, part)
    return thing


def parameters(thing: Any) -> list[str]:
    """Return the parameters of a function or class, or the options of a command; `**` where all others are taken."""
    if isinstance(thing, click.Command):
        return [option for parameter in thing.params for option in parameter.opts]
    taken = inspect.signature(thing).parameters.values()
    return ["**" if one.kind is one.VAR_KEYWORD else one.name for one in taken if one.name != "self"]


def test_every_name_has_a_row_and_every_row_a_name() -> None:
    """Once; those that BentoML itself tells, of the version that the page names."""
    assert sorted(row.name for row in ROWS) == sorted(NAMES)
    version = re.search(r'"bentoml": "([\d.]+)"', bentoml_page.DATA.read_text(encoding="utf-8"))
    assert version is not None
    assert f"BentoML {version[1]}." in TEXT


@pytest.mark.parametrize("row", [row for row in ROWS if row.ours != NONE], ids=lambda row: row.name)
def test_what_is_said_to_be_there_is_with_these_parameters(row: Row) -> None:
    """Parameters that Tiffin's lacks stand in the row. The first may be called otherwise: it is given by position."""
    thing = find(row.ours)
    wanted = NAMES[row.name]
    if wanted is None or (not callable(thing) and not isinstance(thing, click.Command)):
        return
    if row.name in ("Runner.run", "Runner.async_run") or row.name.startswith("RunnerMethod"):
        return  # what the method takes
    taken = parameters(thing)
    by_position = 0 if row.name.startswith("bentoml models") else 1
    options = ("max_batch_size", "max_latency_ms", "method_configs", "embedded") if "to_runner" in row.name else ()
    missing = {
        name for name in wanted[by_position:] if name not in (*taken, *options) and f"`{name}`" not in row.differs
    }
    assert missing == set()


@pytest.mark.parametrize("row", [row for row in ROWS if row.ours == NONE], ids=lambda row: row.name)
def test_what_is_said_not_to_be_there_is_not(row: Row) -> None:
    """So that the page learns of it when it comes; and what stands in its place is there."""
    assert row.differs
    same = row.name.replace("bentoml.", "tiffin.")
    framework = same.split(".")[1] if same.startswith("tiffin.") and same.count(".") == 2 else ""
    if framework and framework not in ("models", "legacy"):
        assert not install_hint(framework) or (
            row.differs != "no adapter" and not hasattr(Framework, same.split(".")[2])
        )
    elif not same.startswith("tiffin.legacy"):
        with pytest.raises(AttributeError):
            find(same)
    for name, argument, of in re.findall(
        r"`((?:tiffin|Model|ModelInfo)\.[\w.]+)`|`(\w+)=\S*` of `([\w.]+)`", row.differs
    ):
        assert argument in parameters(find(of)) if argument else find(name) is not None


def test_every_difference_is_shown_by_a_test() -> None:
    """And no test shows one that the page does not tell."""
    told = {row.name for row in ROWS if row.differs and row.ours != NONE}
    assert bentoml_page.shown() == told


def test_what_stands_in_the_text_of_the_page_exists() -> None:
    """Names in the sections above the tables, too."""
    text = TEXT.partition("## Every name")[0]
    for name in set(re.findall(r"`(tiffin(?:\.\w+)+)`", text)) - {"tiffin.bentoml"}:
        assert find(name) is not None, name

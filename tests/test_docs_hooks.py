"""The page of hooks and the hooks themselves say the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import attrs
import pytest

from tiffin.plugins import AdapterInfo, hookspecs

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")

HOOKS = {
    name: list(inspect.signature(function).parameters)
    for name, function in vars(hookspecs).items()
    if inspect.isfunction(function) and function.__module__ == hookspecs.__name__
}

SECTIONS = {
    match["name"]: match
    for match in re.finditer(
        r"^\(hook-[a-z-]+\)=\n## `(?P<name>\w+)\((?P<arguments>[^)]*)\)`\n(?P<text>.*?)(?=^\(\S+\)=\n|\Z)",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
}


def test_every_hook_has_a_section_and_every_section_a_hook() -> None:
    """The page has the hooks of the specification, in its order, and no others."""
    assert list(SECTIONS) == list(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_section_has_the_hooks_arguments_and_describes_each(hook: str) -> None:
    """A reader finds every argument, and when the hook is called and what it returns."""
    section = SECTIONS[hook]
    assert [name for name in section["arguments"].split(", ") if name] == HOOKS[hook]
    described = re.findall(r"^(.+)\n: ", section["text"], re.MULTILINE)
    assert described == [*(f"`{argument}`" for argument in HOOKS[hook]), "Called", "Returns"]


@pytest.mark.parametrize("hook", HOOKS)
def test_the_overview_says_of_whom_the_hook_is_asked(hook: str) -> None:
    """The table at the top has every hook with its arguments, and tells an adapter's from everybody's."""
    whom = "one adapter" if hook in hookspecs.ADAPTER_HOOKS else "every plugin"
    anchor = f"#hook-{hook.replace('_', '-')}"
    assert f"| [`{hook}({', '.join(HOOKS[hook])})`]({anchor}) | {whom} |" in PAGE


@pytest.mark.parametrize(
    "hook", [hook for hook in HOOKS if hook != "batch_containers"]
)  # it goes with the next release
def test_every_hook_has_an_example_that_runs(hook: str) -> None:
    """The page's code is run as a test; each hook is implemented in it."""
    code = "".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    assert re.search(rf"@hookimpl(\(.*\))?\n +def {hook}\(", code)


def test_every_field_of_context_info_is_described() -> None:
    """What `context_info` may answer stands in a table, with the right defaults where those are plain values."""
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \| ", SECTIONS["context_info"]["text"], re.MULTILINE))
    fields = attrs.fields_dict(AdapterInfo)
    assert list(rows) == list(fields)
    for name in ("types", "distributions", "options", "code_files", "resources", "cpu_multi_threading", "holds_gil"):
        assert rows[name].strip("`") == repr(fields[name].default).replace("'", '"')

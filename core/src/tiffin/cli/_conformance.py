"""`tiffin plugins check`: the conformance kit on one adapter."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from tiffin.cli._output import count, say, show_table
from tiffin.exceptions import ConformanceError

if TYPE_CHECKING:
    from tiffin.testing import Subject


@click.command()
@click.argument("name")
@click.option("--subjects", help="MODULE:FUNCTION that returns the subjects.  [default: PACKAGE.conformance:subjects]")
@click.option("--level", help="Leave out checks that are newer, as 2026.11.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def check(name: str, subjects: str | None, level: str | None, as_json: bool) -> None:
    """Check that an adapter keeps what adapters promise.

    The adapter's package says with which models: the function `subjects` of its module `conformance`. Runs its code. What
    --json prints can be shipped as conformance.json in the package (of several adapters in one: conformance-NAME.json), for
    `tiffin plugins list --compliance`.
    """
    from tiffin.plugins import registry
    from tiffin.testing import LEVEL, check_adapter
    from tiffin.testing.compliance import report, text_of

    adapter = registry().adapter(name)
    plugin = adapter.plugin
    # A package may have several adapters, each a module of it.
    package = getattr(plugin, "__package__", "") or getattr(plugin, "__name__", type(plugin).__module__)
    found = _subjects(subjects or f"{package}.conformance:subjects", adapter.name)
    verdicts = check_adapter(found, level=level or LEVEL)
    failed = [verdict for verdict in verdicts if verdict.state == "failed"]
    if as_json:
        click.echo(text_of(report(adapter.name, verdicts, level or LEVEL)))
    else:
        show_table(
            ["CHECK", "SUBJECT", "STATE", "WHY"],
            [[v.check, v.subject, v.state, v.text if v.state != "failed" else ""] for v in verdicts],
        )
        # One fault may fail many checks: it is told once.
        causes: dict[tuple[str, str], list[str]] = {}
        for verdict in failed:
            causes.setdefault((verdict.subject, verdict.text), []).append(verdict.check)
        for (subject, text), names in causes.items():
            more = f" and {count(len(names) - 1, 'other check')}" if names[1:] else ""
            say(f"{names[0]}{more} ({subject}): {text}", err=True, label="failed", colour="red")
    if failed:
        raise ConformanceError(
            f"The adapter {name!r} fails {count(len(failed), 'check')} of {len(verdicts)}",
            fix="Mend it, or switch a check off with a reason: Subject(off={'check': 'reason'})",
            check=failed[0].check,
        )


def _subjects(target: str, name: str) -> list[Subject]:
    from tiffin.plugins import registry
    from tiffin.testing import Subject

    fix = "Write it: it returns a list of tiffin.testing.Subject. Or say where it is: --subjects MODULE:FUNCTION"
    module, _, function = target.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as for `python -m`: an author's module lies in the current folder
    try:
        answer: Any = getattr(import_module(module), function)()
    # What a module of an author's does when it is imported is his; what it raises is told as an error.
    except Exception as error:
        raise ConformanceError(
            f"The subjects of the adapter {name!r} cannot be had from '{target}': {type(error).__name__}: {error}",
            fix=fix,
            check="",
        ) from error
    found = [answer] if isinstance(answer, Subject) else answer
    known = registry()
    if not isinstance(found, list) or not all(isinstance(one, Subject) and known.has(one.framework) for one in found):
        raise ConformanceError(
            f"'{target}' returns {answer!r:.200}, and not a list of subjects of the adapter {name!r}", fix=fix, check=""
        )
    return [one for one in found if known.main_name(one.framework) == name]

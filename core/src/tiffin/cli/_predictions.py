"""`tiffin models check`: whether a model still answers as it did when it was saved."""

from __future__ import annotations

from collections.abc import Mapping

import click

from tiffin import models as api
from tiffin.cli._completion import complete_tag
from tiffin.cli._output import say, show_data, show_table

ANSWERS_DIFFER = 6
"""The exit code of `check` where an answer is different."""


def _tolerances(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for text in given:
        kind, _, value = text.partition("=")
        try:
            found[kind] = float(value)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not KIND=NUMBER, as float32=1e-5") from error
    return found


@click.command()
@click.argument("tag", shell_complete=complete_tag)
@click.option(
    "--with",
    "versions",
    multiple=True,
    metavar="REQUIREMENT",
    help="Replay in a fresh environment with this, as 'kvlib==2.0'. Can be repeated.",
)
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="KIND=NUMBER",
    callback=_tolerances,
    help="How far floats may be apart and be close, as float32=1e-5. Can be repeated.",
)
@click.option("--keep", is_flag=True, help="Keep the verdict as the version's label 'check'.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def check(
    context: click.Context, tag: str, versions: tuple[str, ...], tolerances: dict[str, float], keep: bool, as_json: bool
) -> None:
    """Replay the examples that a version was saved with, and compare its answers with those of then.

    Loads the model. Exits with 6 if an answer is different; equal and close ones are 0.
    """
    report = api.check(tag, with_versions=versions, tolerances=tolerances, keep=keep)
    if as_json:
        show_data(report.to_dict(), "json")
    else:
        show_table(
            ["METHOD", "EXAMPLE", "VERDICT", "ULPS", "RELATIVE", "AT", "THEN", "NOW"],
            [
                [
                    answer.method,
                    str(answer.example),
                    answer.verdict + (", and changes from call to call" if answer.steady is False else ""),
                    "-" if answer.ulps is None else str(answer.ulps),
                    "-" if answer.relative is None else f"{answer.relative:.2g}",
                    answer.where or "-",
                    answer.recorded or "-",
                    answer.found or "-",
                ]
                for answer in report.answers
            ],
            right=[1, 3, 4],
        )
        say("Then: " + _listed(report.versions_then, report.circumstances_then))
        say("Now:  " + _listed(report.versions_now, report.circumstances_now))
        say(f"{report.tag} is {report.verdict}" + (", kept as its label 'check'." if keep else "."), err=True)
    if report.verdict == "different":
        context.exit(ANSWERS_DIFFER)


def _listed(versions: Mapping[str, str], circumstances: Mapping[str, str]) -> str:
    named = [f"{name} {version}" for name, version in versions.items()]
    return ", ".join([*named, *(f"{name} {value}" for name, value in circumstances.items())])

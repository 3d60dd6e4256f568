"""`tiffin models verify`, `gc` and `du`: looking after the store."""

from __future__ import annotations

import click

from tiffin import models as api
from tiffin.cli._completion import complete_name, complete_tag
from tiffin.cli._output import count, output_option, read_size, say, show_data, show_table
from tiffin.showing import shown

DAMAGE_FOUND = 5
"""The exit code of `verify` where something is not as it was saved."""


@click.command()
@click.argument("tag", required=False, shell_complete=complete_tag)
@click.option("--accept", is_flag=True, help="Accept records that were edited by hand, if they are valid.")
@output_option("table", "json", "yaml")
@click.pass_context
def verify(context: click.Context, tag: str | None, accept: bool, output: str) -> None:
    """Compare what is stored with what was saved. Reads a version, all versions of a NAME, or the whole store again.

    Exits with 5 if something is not as it was saved. A damaged content is moved aside, so that no later save uses it.
    """
    problems = api.verify(tag, accept=accept)
    open_problems = [problem for problem in problems if problem.state != "repaired"]
    if output != "table":
        import attrs

        show_data([attrs.asdict(problem) for problem in problems], output)
    else:
        for problem in problems:
            colour = "green" if problem.state == "repaired" else "red"
            say(f" {problem.tag or '-'}  {shown(problem.path, 0)}", label=problem.state, colour=colour)
            say(f"  {problem.what}.")
            if problem.fix:
                say(f"  {problem.fix}.")
        if open_problems:
            click.echo(f"{count(len(open_problems), 'problem')} found.", err=True)
        else:
            click.echo(f"{tag or 'The store'} is as it was saved.", err=True)
    if open_problems:
        context.exit(DAMAGE_FOUND)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.option("--trash", is_flag=True, help="Free deleted versions, too; they cannot be had back then.")
@output_option("table", "json", "yaml")
def gc(dry_run: bool, trash: bool, output: str) -> None:
    """Remove what no version needs. That is abandoned work, unused contents, aliases of what is gone."""
    garbage = api.gc(dry_run=dry_run, trash=trash)
    if output != "table":
        import attrs

        show_data(attrs.asdict(garbage), output)
        return
    done = "Would remove" if dry_run else "Removed"
    found = (
        (garbage.staging, "abandoned change", ""),
        (garbage.blobs, "unused content", ""),
        (garbage.damaged, "damaged content", ""),
        (garbage.aliases, "dangling alias", "dangling aliases"),
        (garbage.names, "empty name", ""),
        (garbage.partial, "content of a pull that broke off", "contents of pulls that broke off"),
        (garbage.trash, "deleted version", ""),
        (garbage.examples, "model's examples", "models' examples"),
    )
    parts = [count(len(items), noun, plural) for items, noun, plural in found if items]
    if not parts:
        click.echo("There is nothing to remove.")
        return
    click.echo(f"{done} {', '.join(parts)}; {read_size(garbage.freed)} {'would be ' if dry_run else ''}freed.")


@click.command()
@click.argument("name", required=False, shell_complete=complete_name)
@output_option("table", "json", "yaml")
def du(name: str | None, output: str) -> None:
    """Show how much space the versions take. Tells what each has for itself, and what it shares with others."""
    usage = api.usage(name)
    if output != "table":
        import attrs

        show_data(attrs.asdict(usage), output)
        return
    rows = [[row.tag, read_size(row.own), read_size(row.shared)] for row in usage.versions]
    show_table(["TAG", "OWN", "SHARED"], rows, right=[1, 2])
    saved = usage.apparent - usage.total
    more = (
        f" Emptying the trash would free {read_size(usage.trash)} more: tiffin models gc --trash" if usage.trash else ""
    )
    click.echo(f"{read_size(usage.total)} on disk; sharing saves {read_size(saved)}.{more}")

"""`tiffin models delete`, `trash`, `undelete` and `history`: what is no longer, and what was."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import click

from tiffin import models as api
from tiffin.cli._completion import complete_name, complete_tag
from tiffin.cli._output import output_option, read_size, read_time, show_data, show_table
from tiffin.exceptions import AliasedVersionError, ModelNotFoundError
from tiffin.tags import Tag


@click.command("delete")
@click.argument("tags", nargs=-1, metavar="TAG…", shell_complete=complete_tag)
@click.option("--keep", type=click.IntRange(min=0), help="Delete all but the N newest versions of each NAME given.")
@click.option("--force", is_flag=True, help="Delete versions that an alias means, too, and these aliases.")
@click.option("--now", is_flag=True, help="Free at once what they alone have; they cannot be had back.")
@click.option("-y", "--yes", "--assume-yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete(context: click.Context, tags: tuple[str, ...], keep: int | None, force: bool, now: bool, yes: bool) -> None:
    """Delete versions. 'tiffin models undelete' has them back for some days.

    A NAME alone stands for all its versions; those that an alias means are spared, and named. With --keep, each TAG is a
    NAME. Several TAGs may be separated by commas.

    Exits with 1 if nothing was deleted.
    """
    store = api.default_store()
    texts = [text for tag in tags for text in (filter(None, tag.split(",")) if tag.strip(",") else [tag])]
    if not texts:
        raise click.UsageError("Name at least one version to delete.")
    chosen: list[Tag] = []
    for text in texts:
        chosen += [tag for tag in _meant(text, keep, force=force) if tag not in chosen]
    by_version = store.all_aliases()
    spared = [] if force else [tag for tag in chosen if (tag.name, tag.version) in by_version]
    for tag in spared:
        _say_spared(tag, by_version[tag.name, str(tag.version)])
    chosen = [tag for tag in chosen if tag not in spared]
    if not chosen:
        if not spared:
            click.echo("Nothing to delete.", err=True)
        context.exit(1 if spared else 0)
    if not yes:
        for tag in chosen:
            aliases = ", ".join(by_version.get((tag.name, str(tag.version)), []))
            click.echo(f"{tag}" + (f"  (alias {aliases})" if aliases else ""), err=True)
        click.confirm(f"Delete {'it' if len(chosen) == 1 else f'these {len(chosen)} versions'}?", abort=True, err=True)
    deleted = 0
    for tag in chosen:
        try:
            api.delete(tag, force=force, now=now)
        except ModelNotFoundError:
            click.echo(f"{tag} is gone already.", err=True)
        except AliasedVersionError as error:  # set since the question was asked
            _say_spared(tag, error.aliases)
        else:
            click.echo(f"Deleted {tag}")
            deleted += 1
    if not deleted:
        context.exit(1)


def _meant(text: str, keep: int | None, *, force: bool) -> list[Tag]:
    """Return the versions that an argument means; one that is named by itself is refused if an alias means it."""
    store = api.default_store()
    if keep is not None:
        return api.prune(text, keep, dry_run=True)
    parsed = Tag.parse(text)
    if parsed.version is not None:
        tag = Tag(parsed.name, store.resolve(parsed))
        if not force:
            store.check_deletable(tag)
        return [tag]
    versions = store.versions(parsed.name)
    if not versions:
        raise store.finder.not_found(parsed)
    return [Tag(parsed.name, version) for version in versions]


def _say_spared(tag: Tag, aliases: Sequence[str]) -> None:
    click.echo(f"Spared {tag}, which has the alias {', '.join(aliases)}. To delete it, add --force.", err=True)


@click.command("trash")
@click.argument("name", required=False, shell_complete=complete_name)
@output_option("table", "json", "yaml")
def trash(name: str | None, output: str) -> None:
    """List the deleted versions that can be had back. What was deleted last comes first."""
    found = api.trash(name)
    if output != "table":
        show_data(
            [
                {
                    "tag": str(entry.tag),
                    "id": entry.id,
                    "deleted": entry.deleted.isoformat(),
                    "kept_until": entry.kept_until.isoformat(),
                    "own": entry.own,
                }
                for entry in found
            ],
            output,
        )
    elif not found:
        click.echo("The trash is empty." if name is None else f"The trash holds nothing of {name}.", err=True)
    else:
        show_table(
            ["TAG", "OWN", "DELETED", "KEPT UNTIL", "ID"],
            [
                [str(entry.tag), read_size(entry.own), read_time(entry.deleted), read_time(entry.kept_until), entry.id]
                for entry in found
            ],
            right=[1],
        )


@click.command("undelete")
@click.argument("tag")
@click.option("--id", "identity", metavar="ID", help="Which of several that were deleted under TAG, as 'trash' tells.")
def undelete(tag: str, identity: str | None) -> None:
    """Put a deleted version back as it was. Of several deleted under TAG it is the last one.

    Aliases that it had are not set again: 'tiffin models history' tells them.
    """
    model = api.undelete(tag, id=identity)
    click.echo(f"Restored {model.tag}")


@click.command("history")
@click.argument("tag", metavar="NAME|TAG", shell_complete=complete_tag)
@click.option("--at", metavar="TIME", help="Show what each alias was then: 2026-11-01 (its end) or 2026-11-01T09:30.")
@output_option("table", "json", "yaml")
def history(tag: str, at: str | None, output: str) -> None:
    """Show what happened to a model in this store. The newest comes last; with a TAG, what happened to that version.

    It tells what was done here, by whom and when, and what was found to have been done without a note.
    """
    if at is not None:
        _show_aliases_at(tag, at, output)
        return
    events = api.history(tag)
    if output != "table":
        show_data([event.to_dict() for event in events], output)
        return
    show_table(
        ["TIME", "BY", "WHAT", "VERSION", "MORE"],
        [
            [
                read_time(event.time),
                event.by,
                event.what,
                f"{event.alias}: {event.before or '-'} → {event.after or '-'}" if event.alias else event.version,
                event.how if not event.found else f"{event.how}, found later" if event.how else "found later",
            ]
            for event in events
        ],
    )


def _show_aliases_at(tag: str, at: str, output: str) -> None:
    parsed = Tag.parse(tag)
    if parsed.version is not None:
        raise click.UsageError("With --at, give the NAME alone.")
    moment = _read_moment(at)
    found = api.aliases_at(parsed.name, moment)
    if output != "table":
        show_data(found, output)
    elif found is None:
        begun = read_time(api.history(parsed.name)[0].time)
        click.echo(f"What the aliases of {parsed.name} were then is not known: its history begins {begun}.", err=True)
    elif not found:
        click.echo(f"{parsed.name} had no aliases then.", err=True)
    else:
        show_table(["ALIAS", "TAG"], [[alias, f"{parsed.name}:{version}"] for alias, version in found.items()])


def _read_moment(text: str) -> datetime.datetime:
    """Return the moment that a text means, in local time where it names no zone; of a day, its end."""
    try:
        if len(text) == len("2026-11-01"):
            return datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time.max)
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no time. Write 2026-11-01, or 2026-11-01T09:30.") from error

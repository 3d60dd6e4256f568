"""`tiffin models export` and `import`: moving models as archives."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import click

from tiffin import models as api
from tiffin.cli._completion import complete_tag
from tiffin.cli._output import count
from tiffin.cli._progress_bar import progress_bar
from tiffin.cli._trust import hint
from tiffin.showing import shown

if TYPE_CHECKING:
    from tiffin.archives import ImportReport


@click.command()
@click.argument("tag", shell_complete=complete_tag)
@click.argument("path", default=".", metavar="[PATH|URL]")
@click.option(
    "--format", "output_format", metavar="FORMAT", help="tiffin, tar, tar.zst, tar.gz, tar.xz, zip or folder."
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists.")
@click.option("--parents", is_flag=True, help="Make the missing folders above PATH.")
def export(tag: str, path: str, output_format: str | None, force: bool, parents: bool) -> None:
    """Write a version as one archive. PATH is a file or a folder, URL any that fsspec opens (s3://, sftp://, ...).

    The format is that of the ending; in a folder the archive is called NAME-VERSION.tiffin.
    """
    with progress_bar() as progress:
        written = api.export_model(tag, path, output_format, force=force, parents=parents, progress=progress)
    click.echo(f"Exported {api.get(tag).tag} to {written}")


@click.command("import")
@click.argument("path", metavar="PATH|URL")
@click.option("--as", "name", metavar="NAME[:VERSION]", help="Store it under another name or version.")
@click.option("-f", "--force", is_flag=True, help="Replace the version if it exists.")
@click.option("--all", "every", is_flag=True, help="Take each model below the folder PATH, as another tool's store.")
@click.option("--as-files", is_flag=True, help="Take another tool's model as a raw folder of files.")
@click.option("--max-bytes", type=int, help="Refuse archives that unpack to more.  [default: 1 TiB]")
@click.option("--max-ratio", type=float, help="Refuse archives that unpack to more times their size.  [default: 1000]")
@click.option("--max-files", type=int, help="Refuse archives of more members.  [default: 100000]")
def import_archive(
    path: str, name: str | None, force: bool, every: bool, as_files: bool, **limits: float | None
) -> None:
    """Store an archive as a version. It is read from a file, a folder or a URL.

    Models of other tools are taken too, if an installed plugin knows the tool and an installed adapter reads the files; what
    of them is not kept is listed.
    """
    from tiffin.archives import Limits

    chosen: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    if every:
        if name:
            raise click.UsageError("--as names one model, and --all takes many: leave one of them out")
        with progress_bar() as progress:
            report = api.import_all(path, force=force, as_files=as_files, limits=Limits(**chosen), progress=progress)
        _show_report(report)
        return
    # Warnings wait for the bar, which would be drawn over them.
    with warnings.catch_warnings(record=True) as caught, progress_bar() as progress:
        model = api.import_model(
            path, name=name, force=force, as_files=as_files, limits=Limits(**chosen), progress=progress
        )
    click.echo(f"Imported {model.tag}")
    for warning in caught:
        warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    hint(model)


def _show_report(report: ImportReport) -> None:
    """Print what came, what was lost of it, what was left."""
    for one in report.came:
        click.echo(f"Imported {one.model.tag} from {shown(one.path)}")
        for phrase in one.lost:
            click.echo(f"  not kept: {shown(phrase, 2000)}")
    for left in report.left:
        click.echo(f"Left {shown(left.path)}: {shown(left.reason, 2000)}")
    partial = sum(bool(one.lost) for one in report.came)
    click.echo(f"{count(len(report.came), 'model')} came, {partial} not whole; {len(report.left)} left")

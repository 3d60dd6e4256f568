"""`tiffin map`: score files with a stored model."""

from __future__ import annotations

from typing import Any

import click

from tiffin.cli import complete_tag, output_option, progress_bar, say, show_data
from tiffin_map._defaults import BAD_ROWS, FORMATS, FORMS, PART_ROWS, ROW_NUMBER

_COUNT = click.IntRange(min=1)


class _Share(click.ParamType[float]):
    """A number of rows, or a share of all: 10, 0.01 or 1%."""

    name = "rows|share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or the share as a fraction."""
        text = str(value)
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{text!r} is neither a number of rows nor a share, such as 1%", param, ctx)
        if number < 0 or (number > 1 and number != int(number)) or (text.endswith("%") and number >= 1):
            self.fail(f"{text!r} is neither a number of rows nor a share below all", param, ctx)
        return number


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, separator, text = value.rpartition("=")
        if not separator or not name:
            raise click.BadParameter(f"{value!r} is not COLUMN=TYPE", context, parameter)
        pairs[name] = text
    return pairs


@click.command("map")
@click.argument("target", metavar="TAG[.METHOD]", shell_complete=complete_tag)
@click.argument("source", metavar="INPUT")
@click.argument("destination", metavar="OUTPUT")
@click.option("--column", "columns", multiple=True, metavar="COLUMN", help="Give the model this column; repeatable.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Pass this column through to the output; repeatable.")
@click.option(
    "--type",
    "types",
    multiple=True,
    callback=_pairs,
    metavar="COLUMN=TYPE",
    help="Read a column of lines as this type.",
)
@click.option("--as", "form", type=click.Choice(FORMS), help="What the model is given; by default what its spec says.")
@click.option(
    "--format",
    "written",
    default="parquet",
    show_default=True,
    type=click.Choice(sorted(FORMATS)),
    help="Of the output.",
)
@click.option("--row-number", default=ROW_NUMBER, show_default=True, help="The column of rows' numbers; '' for none.")
@click.option("--backend", default="process", show_default=True, help="Where the model runs: process, or local.")
@click.option("--workers", type=_COUNT, help="Copies of the model; by default one for each processor.")
@click.option("--batch-rows", type=_COUNT, help="Rows of a call.  [default: 16384, fewer where rows are wide]")
@click.option("--part-rows", default=PART_ROWS, show_default=True, type=_COUNT, help="Rows of a file of the output.")
@click.option(
    "--max-bad",
    default="0",
    show_default=True,
    type=_Share(),
    help="Rows that may be bad: a number, or a share like 1%.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds after which a call has failed.")
@click.option("--overwrite", is_flag=True, help="Remove the output of another run first.")
@output_option("text", "json", "yaml")
def map_command(
    target: str, source: str, destination: str, form: str | None, written: str, output: str, **options: Any
) -> None:
    """Score the rows of files with a stored model.

    INPUT is a file, a folder or a pattern with *, as a path or URL: parquet, CSV, JSON lines, Arrow IPC or numpy files. The
    answers are written to the folder OUTPUT, in the order of the input.

    A run that was ended goes on where it was when it is started again. Rows that cannot be scored are written to
    _bad_rows.jsonl in the output, with their numbers and errors.
    """
    from tiffin_map._mapping import map  # not above: other commands load this module, too

    tag, method = _split(target)
    options["columns"] = options["columns"] or None
    with progress_bar("rows") as progress:
        summary = map(tag, source, destination, method=method, as_=form, format=written, progress=progress, **options)
    if output != "text":
        import attrs

        show_data(attrs.asdict(summary), output)
        return
    files = "file" if summary.parts == 1 else "files"
    say(f"{summary.tag}.{summary.method}: {summary.scored:,} of {summary.rows:,} rows in {summary.seconds:,.1f} s")
    say(f"  {summary.output}: {summary.parts:,} {files}")
    if summary.bad:
        rows = "row" if summary.bad == 1 else "rows"
        say(f"  {summary.output}/{BAD_ROWS}: {summary.bad:,} {rows} that could not be scored")


def _split(target: str) -> tuple[str, str | None]:
    """Return tag and method: a method stands behind the last dot of what names a stored model only without it."""
    import tiffin
    from tiffin.exceptions import InvalidTagError, ModelNotFoundError

    try:
        tiffin.get(target)
    except (ModelNotFoundError, InvalidTagError):
        tag, dot, method = target.rpartition(".")
        if not dot or not method.isidentifier():
            raise
        try:
            tiffin.get(tag)
        except (ModelNotFoundError, InvalidTagError):
            pass
        else:
            return tag, method
        raise
    return target, None

"""`tiffin plugins new`: the package of an adapter that is still to be written."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option("--type", "type_name", required=True, help="The class that it stores, as kvlib.Table.")
@click.option(
    "--distribution", help="What brings the class; empty: it comes with Python.  [default: found by the class]"
)
@click.option("--folder", default=".", help="Where the package's folder is made.", show_default=True)
def new(name: str, type_name: str, distribution: str | None, folder: str) -> None:
    """Write the package of an adapter. It has entry point, README, tests by the conformance kit, and a file for CI.

    It installs and is found at once, and stores the class's objects as pickles until its save and load are written.
    """
    from tiffin.testing.scaffold import new_adapter

    made = new_adapter(name, Path(folder), type_name=type_name, distribution=distribution)
    click.echo(f"Made {made}. Install it, with its extra 'test', then: tiffin plugins check {name}")

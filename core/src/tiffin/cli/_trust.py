"""`tiffin models inspect`, `trust` and `untrust`: what a model from elsewhere would run, and who trusts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tiffin import models as api
from tiffin.cli._completion import complete_tag
from tiffin.cli._output import count, output_option, read_size, say, show_data, show_table
from tiffin.cli._vouchers import show_vouchers
from tiffin.showing import shown

if TYPE_CHECKING:
    from tiffin.model import Model
    from tiffin.trust import FileReport, TrustReport

_VERDICTS = {
    "made here": "loads: it was made here",
    "runs no code": "loads: none of its files can run code",
    "trusted": "loads: it is trusted",
    "signed": "loads: it is signed by a key that is trusted for models of its name",
    "allowed": "loads: all that its files import is on the lists of the installed adapters",
    "unseen": "loads: the trust policy is 'always'",
    "refused": "does not load",
}
_OBJECTS_ONLY = "loads, but not all of its custom objects"


@click.command("inspect")
@click.argument("tag", shell_complete=complete_tag)
@output_option("table", "json", "yaml")
def inspect(tag: str, output: str) -> None:
    """Show what a version's files would import when loaded. Also whether they may; loads nothing."""
    found = api.inspect(tag)
    if output != "table":
        show_data(found.to_dict(), output)
        return
    _show(found, names=True)


@click.command("trust")
@click.argument("tag", shell_complete=complete_tag)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--digest", metavar="SHA256", help="Trust only this content, as 'inspect' told its digest.")
def trust(tag: str, yes: bool, digest: str | None) -> None:
    """Trust a version from elsewhere, whatever code it runs.

    Shows first what it would import. Trust holds for this content, under every tag. What replaces it while the question is
    open is not trusted.
    """
    found = api.inspect(tag)
    if found.verdict in ("made here", "runs no code", "signed"):
        click.echo(f"{found.tag} {_VERDICTS[found.verdict]}. It needs no trust.")
        return
    if not yes:
        _show(found, names=False)
        click.echo(err=True)
        click.confirm(
            "Loading it can do all that you can do on this machine. Do you trust who made it?", abort=True, err=True
        )
    api.default_store().trust(found.tag, content_digest=digest or found.content_digest, how="tiffin models trust")
    click.echo(f"Trusted {found.tag}")
    if found.policy not in ("ask", "always"):
        click.echo(f"The trust policy is {found.policy!r}: trust given by hand does not count now.", err=True)


@click.command("untrust")
@click.argument("tag", shell_complete=complete_tag)
def untrust(tag: str) -> None:
    """Take back what `trust` gave."""
    model = api.untrust(tag)
    click.echo(f"No longer trusted: {model.tag}")


def hint(model: Model) -> None:
    """Say, after an import, what a model needs before it can be loaded; nothing where it needs nothing."""
    from tiffin.hints import install_hint
    from tiffin.plugins import registry

    framework = model.info.framework
    if framework and not registry().has(framework):
        # Which names are allowed is told by the adapter too, so nothing is said of trust before it is there.
        say(f"The adapter {shown(framework)!r}, which loads it, is not installed. {install_hint(framework)}", err=True)
        return
    found = api.inspect(model.tag)
    if not found.loads:
        what = "It can run code when it is loaded, and is"
        if _only_objects(found):
            what = "Custom objects of it can run code when they are loaded, and are"
        click.echo(f"{what} not trusted. Look at it with: tiffin models inspect {model.tag}", err=True)


def _only_objects(found: TrustReport) -> bool:
    """Tell whether the model itself loads, and only custom objects, each of which is asked for alone, do not."""
    refused = [file for file in found.files if file.runs_code and (file.not_allowed or file.problems)]
    return (
        not found.loads
        and found.policy in ("ask", "allow-listed")
        and bool(refused)
        and all(file.path.startswith("custom_objects/") for file in refused)
    )


def _show(found: TrustReport, *, names: bool) -> None:
    from tiffin.trust import describe_origin

    show_table(["FIELD", "VALUE"], [
        ["tag", found.tag],
        ["framework", found.framework or "- (a raw folder of files)"],
        ["content", found.content_digest],
        ["origin", found.doubt or describe_origin(found.origin)],
        *([["trusted", _given(found)]] if found.origin is not None and found.origin.get("trusted") else []),
        ["policy", found.policy],
        ["verdict", _OBJECTS_ONLY if _only_objects(found) else _VERDICTS[found.verdict]],
        *([["signatures", found.unverified]] if found.unverified else []),
    ])  # fmt: skip
    click.echo()
    show_table(
        ["FILE", "SIZE", "CAN RUN CODE", "FORMAT", "IMPORTS"],
        [[file.path, read_size(file.size), *_cells(file)] for file in found.files],
        right=[1],
    )
    if found.vouchers:
        click.echo()
        show_vouchers(found.vouchers)
    _lines("Imports that no list allows", found.not_allowed, spaces=False)
    _lines("Problems", found.problems)
    if names:
        allowed = sorted({name for file in found.files for name in file.names} - set(found.not_allowed))
        _lines("Imports that are allowed", tuple(allowed), spaces=False)


def _given(found: TrustReport) -> str:
    assert found.origin is not None
    given = found.origin["trusted"]
    return f"by {given.get('by', '?')}, {given.get('how', '?')}, {given.get('time', '')}".rstrip(", ")


def _cells(file: FileReport) -> list[str]:
    if not file.runs_code:
        return ["no", "", ""]
    imports = count(len(file.names), "name") + (f", {len(file.not_allowed)} not allowed" if file.not_allowed else "")
    return [
        "yes",
        file.format or "-",
        imports if not file.problems else f"{imports}, {count(len(file.problems), 'problem')}",
    ]


def _lines(title: str, texts: tuple[str, ...], *, spaces: bool = True) -> None:
    """Print texts from a stranger's files, one a line, all of them and whole: somebody decides by what stands here."""
    if not texts:
        return
    click.echo()
    click.echo(f"{title}:")
    for text in texts:
        say(f"  {shown(text, 0, spaces=spaces)}")

"""`tiffin plugins`: which plugins there are, and what is wrong with them."""

from __future__ import annotations

import click

from tiffin.cli._commands import Commands
from tiffin.cli._output import output_option, say, show_data, show_table


@click.command(
    cls=Commands, commands_at={"check": "tiffin.cli._conformance:check", "new": "tiffin.cli._new_adapter:new"}
)
def plugins() -> None:
    """Look at the installed adapters and other plugins."""


@plugins.command("list")
@output_option("table", "json", "yaml")
@click.option("--compliance", is_flag=True, help="Show what adapters' own reports say of the conformance kit's checks.")
def list_plugins(output: str, compliance: bool) -> None:
    """List the plugins, and what is wrong with them. Tells name, distribution, claimed types, state, and its cause."""
    if compliance:
        _list_compliance(output)
        return

    from tiffin.hints import install_hint
    from tiffin.plugins import registry

    found = registry().describe()
    if output != "table":
        show_data([plugin._asdict() for plugin in found], output)
        return
    if not found:
        click.echo(f"No plugins are installed. {install_hint('picklable')}", err=True)
        return
    rows = [
        [
            ", ".join([plugin.name, *plugin.aliases]),
            plugin.kind,
            plugin.distribution,
            plugin.version or "-",
            ", ".join(plugin.types) or "-",
            plugin.state,
        ]
        for plugin in found
    ]
    show_table(["NAME", "KIND", "DISTRIBUTION", "VERSION", "TYPES", "STATE"], rows)
    for plugin in found:
        if plugin.cause:
            say(f"{plugin.name} ({plugin.distribution}): {plugin.cause}", label=plugin.state, colour="red")


def _list_compliance(output: str) -> None:
    import attrs

    from tiffin.testing.compliance import compliance

    found = compliance()
    if output != "table":
        show_data([attrs.asdict(one) for one in found], output)
        return
    rows = [
        [
            one.name,
            one.version,
            one.level or "-",
            f"{one.passed} passed, {one.off} off, {one.failed} failed",
            one.checked,
        ]
        if one.level
        else [one.name, one.version, "-", one.problem, "-"]
        for one in found
    ]
    show_table(["NAME", "VERSION", "LEVEL", "REPORT", "CHECKED"], rows)
    for one in found:
        if one.level and one.problem:
            say(f"The report of {one.name} does not count: {one.problem}", label="other", colour="yellow")
        for check, reason in one.reasons.items():
            say(f"{one.name}: {check}: {reason}", label="off", colour="yellow")

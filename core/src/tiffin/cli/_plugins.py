"""`tiffin plugins`: which plugins there are, and what is wrong with them."""

from __future__ import annotations

import click

from tiffin.cli._commands import Commands
from tiffin.cli._output import output_option, say, show_data, show_table


@click.command(cls=Commands, commands_at={"check": "tiffin.cli._conformance:check"})
def plugins() -> None:
    """Look at the installed adapters and other plugins."""


@plugins.command("list")
@output_option("table", "json", "yaml")
def list_plugins(output: str) -> None:
    """List the plugins, and what is wrong with them. Tells name, distribution, claimed types, state, and its cause."""
    import attrs

    from tiffin.hints import install_hint
    from tiffin.plugins import registry

    found = registry().describe()
    if output != "table":
        show_data([attrs.asdict(plugin) for plugin in found], output)
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

"""`tiffin env`: where and with what Tiffin runs."""

from __future__ import annotations

import os
import platform
import sys

import click

from tiffin.cli._output import output_option, show_data, show_table
from tiffin.version import __version__


@click.command()
@output_option("table", "json", "yaml")
def env(output: str) -> None:
    """Show versions and places, for bug reports."""
    from tiffin import models
    from tiffin.home import home
    from tiffin.info import installed_version
    from tiffin.plugins import registry

    store = models.default_store()
    libraries = ("attrs", "click", "cloudpickle", "numpy", "pluggy", "PyYAML", "rich")
    facts = {
        "tiffin": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}) at {sys.executable}",
        "platform": platform.platform(),
        "home": str(home()) + (" ($TIFFIN_HOME)" if os.environ.get("TIFFIN_HOME") else ""),
        "store": f"{store.path}" + ("" if store.path.exists() else " (not made yet)"),
        "adapters": ", ".join(registry().names()) or "none",
        "disabled plugins": os.environ.get("TIFFIN_DISABLE_PLUGINS", ""),
        **{name: installed_version(name) or "not installed" for name in libraries},
    }
    if output != "table":
        show_data(facts, output)
        return
    show_table(["WHAT", "VALUE"], [[name, value] for name, value in facts.items() if value])

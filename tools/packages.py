"""Write core/src/tiffin/packages.json: what hints to install may name, and for what.

All of it comes from the pyproject.toml of core and of the plugins: entry points, extras, and the table `[tool.tiffin]`,
which says what else a package brings that users may miss: `backends` of runners; `commands`; `remotes`, as schemes of
URLs; `records` of other tools, each as the file's name and a field that tells it from other files of the name. Core's
has `drivers`: for each of its extras the schemes that it is for. Whoever adds a plugin, or changes these, runs this
once more; tests compare.
"""

from __future__ import annotations

import json
from pathlib import Path

from workspace import ROOT, Package, packages

FILE = ROOT / "core" / "src" / "tiffin" / "packages.json"


def brought() -> dict[str, dict[str, str]]:
    """Return, for each kind of thing that can be missing, its name and what pip is to install."""
    core, *plugins = packages()
    extras = core.pyproject["project"]["optional-dependencies"]
    found: dict[str, dict[str, str]] = {
        kind: {} for kind in ("adapters", "backends", "commands", "drivers", "modules", "plugins", "records", "remotes")
    }
    for extra, schemes in core.pyproject["tool"]["tiffin"]["drivers"].items():
        assert extra in extras, f"core has no extra {extra!r}"
        found["drivers"] |= dict.fromkeys(schemes, f"'tiffin[{extra}]'")
    for plugin in plugins:
        package = asked_for(plugin, extras)
        points = plugin.pyproject["project"]["entry-points"]
        found["adapters"] |= dict.fromkeys(points.get("tiffin", ()), package)
        found["plugins"] |= dict.fromkeys(points.get("tiffin.plugins", ()), package)
        found["modules"][plugin.module] = package
        for kind, names in plugin.pyproject.get("tool", {}).get("tiffin", {}).items():
            twice = set(names) & found[kind].keys()
            assert not twice, f"{plugin.name} is not the only package that brings {', '.join(twice)}"
            found[kind] |= dict.fromkeys(names, package)
    return found


def asked_for(plugin: Package, extras: dict[str, list[str]]) -> str:
    """Return what users give to pip: core's extra that stands for the plugin, quoted for a shell, or its own name."""
    extra = next((name for name, requirements in extras.items() if requirements == [plugin.name]), "")
    return f"'tiffin[{extra}]'" if extra else plugin.name


def text() -> str:
    """Return the content of the file."""
    return json.dumps(brought(), indent=2, sort_keys=True) + "\n"


def write(path: Path = FILE) -> None:
    """Write the file."""
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    write()

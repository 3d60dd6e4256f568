"""Discovery: which plugins are installed, read from the distributions' metadata. Imports none of them."""

from __future__ import annotations

import os
from collections import defaultdict

import attrs
import importlib_metadata

ADAPTERS = "tiffin"
"""The entry-point group of adapters; an entry point's name is the framework's name."""
PLUGINS = "tiffin.plugins"
"""The entry-point group of all other plugins."""
DISABLE = "TIFFIN_DISABLE_PLUGINS"
"""The environment variable that switches plugins off: names separated by commas."""


@attrs.frozen
class InstalledPlugin:
    """One plugin of one distribution, not imported.

    Attributes:
        name: the entry point's name; the shortest, where several of one distribution name one module.
        aliases: the other names.
        distribution, version: where it comes from.
        entry_point: loads it.
    """

    name: str
    aliases: tuple[str, ...]
    distribution: str
    version: str
    entry_point: importlib_metadata.EntryPoint


def installed(group: str) -> dict[str, list[InstalledPlugin]]:
    """Return the installed plugins of a group by name; a name with several plugins is a conflict."""
    by_target: dict[tuple[str, str], list[importlib_metadata.EntryPoint]] = defaultdict(list)
    for entry_point in importlib_metadata.entry_points(group=group):
        distribution = entry_point.dist.name if entry_point.dist is not None else "unknown"
        by_target[distribution, entry_point.value].append(entry_point)
    found: dict[str, list[InstalledPlugin]] = defaultdict(list)
    for (distribution, _), entry_points in sorted(by_target.items()):
        entry_points.sort(key=lambda point: (len(point.name), point.name))
        first = entry_points[0]
        plugin = InstalledPlugin(
            first.name,
            tuple(point.name for point in entry_points[1:]),
            distribution,
            first.dist.version if first.dist is not None else "",
            first,
        )
        for name in (plugin.name, *plugin.aliases):
            found[name].append(plugin)
    return dict(found)


def disabled() -> frozenset[str]:
    """Return the names that $TIFFIN_DISABLE_PLUGINS holds."""
    return frozenset(name for part in os.environ.get(DISABLE, "").split(",") if (name := part.strip()))

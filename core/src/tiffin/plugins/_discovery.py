"""Discovery: which plugins are installed, read from the distributions' metadata. Imports none of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from tiffin.info import distributions, entry_points, name_and_version

ADAPTERS = "tiffin"
"""The entry-point group of adapters; an entry point's name is the framework's name."""
PLUGINS = "tiffin.plugins"
"""The entry-point group of all other plugins."""
DISABLE = "TIFFIN_DISABLE_PLUGINS"
"""The environment variable that switches plugins off: names separated by commas."""


class InstalledPlugin(NamedTuple):
    """One plugin of one distribution, not imported.

    Attributes:
        name: the entry point's name; the shortest, where several of one distribution name one module.
        aliases: the other names.
        distribution, version: where it comes from.
        target: what the entry point names, as in "package" or "package.module:attribute".
    """

    name: str
    aliases: tuple[str, ...]
    distribution: str
    version: str
    target: str


def installed() -> dict[str, dict[str, list[InstalledPlugin]]]:
    """Return the installed plugins by group and by name; a name with several plugins is a conflict."""
    found: dict[str, dict[str, list[InstalledPlugin]]] = {ADAPTERS: defaultdict(list), PLUGINS: defaultdict(list)}
    for plugin_group, plugin in sorted(_plugins(), key=lambda pair: (pair[1].distribution, pair[1].target)):
        for name in (plugin.name, *plugin.aliases):
            found[plugin_group][name].append(plugin)
    return {group: dict(plugins) for group, plugins in found.items()}


def _plugins() -> Iterator[tuple[str, InstalledPlugin]]:
    every = list(distributions())
    for distribution in every:
        by_target: dict[tuple[str, str], list[str]] = defaultdict(list)
        for group, name, target in entry_points(distribution, (ADAPTERS, PLUGINS)):
            by_target[group, target].append(name)
        if not by_target:
            continue
        named = name_and_version(distribution)
        if name_and_version(next(iter(distributions(named[0], every)), distribution)) != named:
            continue  # another one of its name stands before it on the import path
        for (group, target), names in by_target.items():
            names.sort(key=lambda name: (len(name), name))
            yield group, InstalledPlugin(names[0], tuple(names[1:]), *named, target)


def disabled() -> frozenset[str]:
    """Return the names that $TIFFIN_DISABLE_PLUGINS holds."""
    return frozenset(name for part in os.environ.get(DISABLE, "").split(",") if (name := part.strip()))

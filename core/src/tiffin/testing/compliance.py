"""Reports of the kit: made by `tiffin plugins check NAME --json`, and shipped by adapters in their packages.

A report is a file `conformance.json` in the package that the adapter's entry point names; of a package of several adapters,
each has a `conformance-NAME.json`. It is read where it lies; the package is not imported.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from tiffin.plugins import registry
from tiffin.testing._promise import LEVEL
from tiffin.testing._verdicts import FAILED, NOT_APPLICABLE, OFF, PASSED, Verdict
from tiffin.version import __version__

FILES = ("conformance-{}.json", "conformance.json")
"""What a report may be called; {} is the adapter's name."""
_LARGEST = 1 << 20


def report(name: str, verdicts: Sequence[Verdict], level: str = LEVEL) -> dict[str, Any]:
    """Return what came of the checks of an adapter as plain data, with what it was checked with.

    Args:
        name: the adapter's name.
        verdicts: what `check_adapter` returned.
        level: of the checks.
    """
    adapter = registry().adapter(name)
    installed = registry().installed().get(name, ())
    from tiffin.info import ModelContext

    return {
        "adapter": name,
        "distribution": installed[0].distribution if installed else "",
        "version": installed[0].version if installed else "",
        "tiffin_version": __version__,
        "python_version": platform.python_version(),
        "versions": dict(ModelContext.current(name, adapter.info.distributions).framework_versions),
        "level": level,
        "passed": not any(verdict.state == FAILED for verdict in verdicts),
        "verdicts": [attrs.asdict(verdict) for verdict in verdicts],
    }


def text_of(said: Mapping[str, Any]) -> str:
    """Return a report as JSON, each verdict on a line of its own, so that two releases' reports can be compared by line.

    Args:
        said: what `report` returned.
    """
    head = json.dumps({name: value for name, value in said.items() if name != "verdicts"}, indent=1)
    rows = ",\n".join(f"  {json.dumps(verdict)}" for verdict in said["verdicts"])
    return head.removesuffix("\n}") + f',\n "verdicts": [\n{rows}\n ]\n}}'


@attrs.frozen
class Compliance:
    """What an installed adapter's report says.

    Attributes:
        name: the adapter's name.
        distribution: the distribution that brings it.
        version: of it, as it is installed.
        level: of the checks; empty where there is no report.
        checked: the versions that were checked, of the adapter, Tiffin and the framework.
        passed, off, failed, not_applicable: how many verdicts there are of each.
        reasons: check → why it is switched off.
        problem: why the report cannot be read, or does not count; else empty.
    """

    name: str
    distribution: str
    version: str
    level: str = ""
    checked: str = ""
    passed: int = 0
    off: int = 0
    failed: int = 0
    not_applicable: int = 0
    reasons: dict[str, str] = attrs.field(factory=dict)
    problem: str = ""


def compliance() -> list[Compliance]:
    """Return what the report of each installed adapter says; imports none of them."""
    found = []
    for name, plugins in sorted(registry().installed().items()):
        plugin = plugins[0]
        if name == plugin.name:
            empty = Compliance(name, plugin.distribution, plugin.version)
            found.append(_read(empty, plugin.target.partition(":")[0].partition(".")[0]))
    return found


def _read(empty: Compliance, package: str) -> Compliance:
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    files = [Path(folder, name.format(empty.name)) for folder in list(folders or ())[:1] for name in FILES]
    file = next(filter(Path.is_file, files), None)
    if file is None:
        return attrs.evolve(empty, problem="it brings no report")
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        said = json.loads(file.read_text(encoding="utf-8"))
        states = Counter(verdict["state"] for verdict in said["verdicts"])
        reasons = {verdict["check"]: str(verdict["text"]) for verdict in said["verdicts"] if verdict["state"] == OFF}
        checked = {said["distribution"]: said["version"], "tiffin": said["tiffin_version"], **said["versions"]}
        problem = ""
        if said["adapter"] != empty.name:
            problem = f"it is of the adapter {said['adapter']!r}"
        elif said["version"] != empty.version:
            problem = f"it is of version {said['version']}"
        return attrs.evolve(
            empty,
            level=str(said["level"]),
            checked=", ".join(f"{name} {version}" for name, version in checked.items() if name),
            passed=states[PASSED],
            off=states[OFF],
            failed=states[FAILED],
            not_applicable=states[NOT_APPLICABLE],
            reasons=reasons,
            problem=problem,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return attrs.evolve(empty, problem=f"it cannot be read: {type(error).__name__}: {error}")

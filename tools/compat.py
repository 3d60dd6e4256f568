"""Run every adapter's conformance kit against the oldest and the newest release that it declares; write the page and reports.

Usage: python tools/compat.py [NAME …] [--hold=REQUIREMENT …]; each NAME is a package, by the name of its folder, and the
default is all that bring subjects (a module `conformance`). With names, only their rows are made anew. `--hold` is for what
cannot be had here at both ends, as `--hold=torch==2.13.0+cpu` where older builds bring gigabytes for GPUs; the page says so.
What the kit says of the newest release is the report that the package ships. Needs a package index, and uv, which alone can
choose the oldest versions. Not part of CI: what an index has changes from day to day.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from environment import uv, uv_settings
from workspace import ROOT, Package, groups, normalized, packages, third_party

PAGE = ROOT / "docs" / "reference" / "compatibility.md"
FACTS = ROOT / "docs" / "reference" / "compatibility.json"
ENDS = {"oldest": ("--resolution=lowest-direct",), "newest": ()}
LIMIT = 1200
"""Seconds for one run of a kit."""
HEAD = """\
# Which releases each adapter works with

<!-- Made by `make compat`; do not edit. -->

Each adapter's [conformance kit](../how-to/check-an-adapter.md) was run in an environment of its own with the oldest releases
that its package and core declare, and in one with the newest that the index had. Of the other packages below them it is the
newest that fits in both. `tiffin plugins list --compliance` shows the same of the adapters that you have installed.

"""
VERSIONS = """
import json, sys
from tiffin.info import ModelContext
from tiffin.plugins import registry
distributions = registry().adapter(sys.argv[1]).info.distributions
print(json.dumps(ModelContext.current(sys.argv[1], distributions).framework_versions))
"""


class Outcome(NamedTuple):
    """What came of one adapter at one end: versions, how many checks ended how, and what failed."""

    versions: dict[str, str]
    counts: dict[str, int]
    failed: list[str]


def adapters_of(package: Package) -> list[str]:
    """Return the names of a package's adapters, without those that are second names of one."""
    points = package.pyproject["project"].get("entry-points", {}).get("tiffin", {})
    return list({module: name for name, module in reversed(points.items())}.values())[::-1]


def report_of(package: Package, adapter: str) -> Path:
    """Return where a package ships the report of one of its adapters."""
    name = "conformance.json" if len(adapters_of(package)) == 1 else f"conformance-{adapter}.json"
    return package.folder / "src" / package.module / name


def declared(package: Package) -> list[str]:
    """Return what a package depends on; a framework of several builds, of which users have one, is what its tests need."""
    own = [line for line in package.dependencies if not line.startswith("tiffin")]
    return own + groups().get(f"{package.folder.name}-test", [])


def with_subjects() -> list[Package]:
    """Return the packages that say with which models they are checked."""
    return [package for package in packages() if (package.folder / "src" / package.module / "conformance.py").exists()]


def below(package: Package) -> list[Package]:
    """Return a package and those of the workspace that it needs, core among them."""
    own = {other.name: other for other in packages()}
    found: dict[str, Package] = {}
    waiting = [package.name]
    while waiting:
        name = waiting.pop()
        if name in own and name not in found:
            found[name] = own[name]
            waiting += [normalized(line) for line in own[name].dependencies]
    return list(found.values())


def try_end(package: Package, end: str, folder: Path, held: Sequence[str]) -> dict[str, Outcome]:
    """Make an environment, run the kit of each of the package's adapters in it, and return what came of them."""
    program = uv()
    if program is None:
        raise SystemExit("tools/compat.py: only uv can choose the oldest versions, and it cannot be had here")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    together = below(package)
    install: list[str | Path] = [program, "pip", "install", "--quiet", f"--python={python}"]
    constraints = folder / "held.txt"
    constraints.write_text("\n".join(held), encoding="utf-8")
    for arguments in (
        [
            "--only-binary=:all:",
            f"--constraint={constraints}",
            *ENDS[end],
            *third_party(together),
            *declared(package),
        ],
        ["--no-deps", *(str(one.folder) for one in together)],
    ):
        done = subprocess.run([*install, *arguments], env=uv_settings(), capture_output=True, text=True, check=False)
        if done.returncode:
            said = "it cannot be installed: " + " ".join(done.stderr.split())[:300]
            return dict.fromkeys(adapters_of(package), Outcome({}, {}, [said]))
    return {adapter: check(package, adapter, python, folder, ship=end == "newest") for adapter in adapters_of(package)}


def check(package: Package, adapter: str, python: Path, folder: Path, *, ship: bool) -> Outcome:
    """Run the kit of one adapter in an environment; what it says is the report that is shipped, where that is wanted."""
    env = {**os.environ, "TIFFIN_HOME": str(folder / "home")}
    env.pop("PYTHONPATH", None)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = ["timeout", str(LIMIT), python, *arguments]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)

    versions = run("-c", VERSIONS, adapter)
    checked = run("-m", "tiffin", "plugins", "check", adapter, "--json")
    try:
        verdicts: list[dict[str, Any]] = json.loads(checked.stdout)["verdicts"]
        found: dict[str, str] = json.loads(versions.stdout)
    except ValueError:
        return Outcome(
            {}, {}, ["the kit does not run: " + " ".join((checked.stderr or versions.stderr).split())[-300:]]
        )
    if ship:
        report_of(package, adapter).write_text(checked.stdout, encoding="utf-8")
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict["state"]] = counts.get(verdict["state"], 0) + 1
    failed = [
        f"`{verdict['check']}` ({verdict['subject']}): {' '.join(verdict['text'].split())[:200]}"
        for verdict in verdicts
        if verdict["state"] == "failed"
    ]
    return Outcome(found, counts, failed)


def try_all(chosen: Sequence[str], held: Sequence[str]) -> dict[str, Any]:
    """Return what is known of each adapter, those that are not chosen as the page has them."""
    facts = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.exists() else {}
    present = {package.folder.name: package for package in with_subjects()}
    unknown = set(chosen) - present.keys()
    if unknown:
        raise SystemExit(f"tools/compat.py: these bring no subjects: {', '.join(sorted(unknown))}")
    known = {adapter for package in present.values() for adapter in adapters_of(package)}
    kept = {name: fact for name, fact in facts.items() if name in known}
    for name in chosen or present:
        for end in ENDS:
            with tempfile.TemporaryDirectory(prefix="tiffin-compat-", ignore_cleanup_errors=True) as folder:
                for adapter, outcome in try_end(present[name], end, Path(folder), held).items():
                    kept.setdefault(adapter, {})["python"] = platform.python_version()
                    kept[adapter]["held"] = list(held)
                    kept[adapter][end] = outcome._asdict()
                    print(adapter, end, outcome.versions, outcome.counts or outcome.failed, flush=True)
    return dict(sorted(kept.items()))


def page_of(facts: dict[str, Any]) -> str:
    """Return the page."""
    lines = [HEAD + "| adapter | declares | Python | oldest | newest |\n|---|---|---|---|---|"]
    notes: list[str] = []
    for package in with_subjects():
        needs = ", ".join(f"`{line}`" for line in declared(package)) or "-"
        for name in filter(facts.__contains__, adapters_of(package)):
            cells = [cell_of(facts[name][end]) for end in ENDS]
            lines.append(f"| `{name}` | {needs} | {facts[name]['python']} | {' | '.join(cells)} |")
            notes += [f"- `{name}`, {end}: {text}" for end in ENDS for text in facts[name][end]["failed"]]
    silent = ", ".join(f"`{name}`" for package in with_subjects() for name in adapters_of(package) if name not in facts)
    lines.append(f"\nAdapters that were not tried, and so have no row: {silent or 'none'}.")
    held = [(name, fact["held"]) for name, fact in facts.items() if fact.get("held")]
    if held:
        lines.append("\nHeld at one release at both ends, since no other could be had that fits the machine:\n")
        lines += [f"- `{name}`: {', '.join(f'`{one}`' for one in requirements)}" for name, requirements in held]
    if notes:
        lines += ["\n## What fails\n", *notes]
    return "\n".join(lines) + "\n"


def cell_of(outcome: dict[str, Any]) -> str:
    """Return the cell of one adapter at one end."""
    if not outcome["counts"]:
        return "does not run"
    versions = ", ".join(f"{name} {version}" for name, version in outcome["versions"].items())
    counts = ", ".join(f"{number} {state}" for state, number in sorted(outcome["counts"].items(), key=rank))
    return f"{versions}: {counts}"


def rank(item: tuple[str, int]) -> int:
    """Return where a state stands in a cell."""
    return ["failed", "passed", "off", "not applicable"].index(item[0])


def main() -> None:
    """Run the kits, and write the page and what it was made of."""
    held = [argument.removeprefix("--hold=") for argument in sys.argv[1:] if argument.startswith("--hold=")]
    facts = try_all([name for name in sys.argv[1:] if not name.startswith("--hold=")], held)
    FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page_of(facts), encoding="utf-8")


if __name__ == "__main__":
    main()

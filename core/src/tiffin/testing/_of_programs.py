"""Checks of what a program of its own meets: see `_alone`."""

from __future__ import annotations

from typing import Any

from tiffin.testing._alone import packages
from tiffin.testing._bench import Trial
from tiffin.testing._promise import NotApplicable, check, expect


@check("2026.11")
def discovery_imports_no_framework(trial: Trial) -> None:
    """Importing the adapter's module and asking its context_info imports no package of the classes that it claims."""
    plugin = trial.adapter.plugin
    if getattr(plugin, "__name__", type(plugin).__module__) == "__main__":
        raise NotApplicable("the adapter is an object of the running program")
    imported = sorted(packages(trial.adapter).intersection(trial.bench.program["imported"]))
    expect(
        not imported,
        f"Finding the adapter imports {', '.join(imported)}, and so does every save of any object",
        "Import the framework within save and load",
    )


@check("2026.11")
def a_missing_framework_is_a_clear_error(trial: Trial) -> None:
    """Where the framework is not installed, a load fails with an error that names it."""
    names = trial.bench.program["hidden"]
    if not names or set(names) & set(trial.bench.program["imported"]):
        raise NotApplicable("there is no package that the adapter could be without")
    ended = trial.bench.program["missing"] or {"kinds": [], "text": "the program ended"}
    clear = "ImportError" in ended["kinds"] or "TiffinError" in ended["kinds"]
    expect(
        clear and any(name in ended["text"] for name in names),
        f"Without {', '.join(names)} a load ends "
        + (f"in {ended['kinds'][0]}: {ended['text'][:200]}" if ended["kinds"] else "without an error"),
        "Import the framework within load, and let the error of the import through",
    )


@check("2026.11")
def save_writes_below_its_path(trial: Trial) -> None:
    """A save leaves nothing in the folder that the program stands in, nor in that for temporary files."""
    left = _saves(trial)["left"]
    expect(not left, f"A save left {', '.join(left)}", "Write below the path that save is given")


@check("2026.11")
def a_killed_save_leaves_nothing(trial: Trial) -> None:
    """A save that is killed while the adapter writes publishes nothing, and leaves nothing outside the store."""
    found = _saves(trial)
    expect(
        not found["killed"],
        f"Killed saves left {', '.join(found['killed'])}",
        "Make temporary files below the path that save is given: Tiffin removes them",
    )
    expect(
        found["published"] == 0,
        f"Saves that were killed published {found['published']} versions",
        "Do not save to the store in save",
    )


def _saves(trial: Trial) -> Any:
    found = trial.bench.program
    expect(
        not found["unsent"],
        f"The subject cannot be sent to another program: {found['unsent']}",
        "Let 'make' be a function that makes the model anew, and holds none",
    )
    return found

"""Checks of what an adapter claims, writes and reads."""

from __future__ import annotations

import contextlib
import json
import pickletools
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

from tiffin.exceptions import ModelTypeError
from tiffin.models import export_model, import_model
from tiffin.plugins import registry
from tiffin.store import ModelStore
from tiffin.testing._promise import NotApplicable, Trial, check, expect


class _Stranger:
    """An object of nobody's framework."""


@check("2026.11")
def claims_its_models(trial: Trial) -> None:
    """Saving without naming an adapter finds this one, unless it takes the model only by name."""
    if trial.subject.by_name:
        raise NotApplicable("the adapter takes the model only by name")
    found = registry().adapter_for(trial.original).name
    expect(
        found == trial.subject.framework,
        f"The adapter {found!r} is found for an object of type {type(trial.original).__qualname__}",
        "Name the class, or one that it derives from, in the field 'types' of context_info",
    )


@check("2026.11")
def claims_no_others(trial: Trial) -> None:
    """An adapter of some classes does not take dicts, texts, numbers and objects of classes that it does not know."""
    if "builtins.object" in (*trial.adapter.info.types, *trial.adapter.info.types_by_name):
        raise NotApplicable("the adapter claims every object")
    others: tuple[object, ...] = ({}, [], "text", 1, _Stranger())
    for value in others:
        with contextlib.suppress(ModelTypeError):
            trial.adapter.check_type(value)
            expect(
                isinstance(value, str) and trial.adapter.info.paths,
                f"The adapter takes an object of type {type(value).__qualname__}",
                "Name only classes of the framework in the field 'types' of context_info",
            )


_DISCOVERY = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
import tiffin.plugins
registry = tiffin.plugins.Registry()
tops = lambda: {name.partition(".")[0] for name in sys.modules}
before = tops()
registry.register(importlib.import_module(sys.argv[2]), "under_check")
registry.adapter("under_check").info_unwrapped()
print(json.dumps(sorted(tops() - before)))
"""


@check("2026.11")
def discovery_imports_no_framework(trial: Trial) -> None:
    """Importing the adapter's module and asking its context_info imports no package of the classes that it claims."""
    plugin = trial.adapter.plugin
    if not isinstance(plugin, ModuleType):
        raise NotApplicable("the adapter is an object of the running program")
    command = [sys.executable, "-c", _DISCOVERY, json.dumps(sys.path), plugin.__name__]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    expect(
        result.returncode == 0,
        f"The adapter's module cannot be imported alone: {result.stderr[-500:]}",
        "Let it import what it needs by itself",
    )
    claimed = {name.partition(".")[0] for name in (*trial.adapter.info.types, *trial.adapter.info.types_by_name)}
    own = plugin.__name__.partition(".")[0]  # an adapter may bring the classes that it stores
    imported = sorted(claimed.intersection(json.loads(result.stdout)) - {own})
    expect(
        not imported,
        f"Finding the adapter imports {', '.join(imported)}, and so does every save of any object",
        "Import the framework within save and load",
    )


@check("2026.11")
def saving_changes_nothing(trial: Trial) -> None:
    """The user's own object answers after the save as it did before."""
    _ = trial.saved
    trial.expect_same(
        trial.answers(trial.original),
        trial.answers(trial.subject.make()),
        "after the save",
        "Do not change the object in save: copy it first",
    )


@check("2026.11")
def load_gives_equal_answers(trial: Trial) -> None:
    """Every method of the loaded model answers as that of the model that was saved."""
    trial.expect_same(
        trial.answers(trial.saved.load()),
        trial.answers(trial.subject.make()),
        "once the model is loaded",
        "Let save write all that the answers depend on",
    )


@check("2026.11")
def load_returns_a_new_object(trial: Trial) -> None:
    """Two loads return two objects: a user may change what is his."""
    expect(
        trial.saved.load() is not trial.saved.load(),
        "Two loads return one and the same object",
        "Do not keep what load returns",
    )


@check("2026.11")
def load_writes_nothing(trial: Trial) -> None:
    """A load leaves the model's folder as it is: it may be read-only, and is shared."""

    def listed() -> dict[str, tuple[int, int]]:
        paths = (path for path in trial.saved.path.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}

    before = listed()
    trial.saved.load()
    changed = sorted(path for path, _ in before.items() ^ listed().items())
    expect(
        not changed, f"A load changed {', '.join(changed)}", "Write what is needed in save, or to a temporary folder"
    )


@check("2026.11")
def save_writes_below_its_path(trial: Trial) -> None:
    """A save writes nothing into the folder that the program stands in."""
    folder = trial.folder / "working"
    folder.mkdir()
    with contextlib.chdir(folder):
        _ = trial.saved
    left = sorted(path.name for path in folder.iterdir())
    expect(not left, f"A save left {', '.join(left)} in the current folder", "Write below the path that save is given")


@check("2026.11")
def pickles_are_declared(trial: Trial) -> None:
    """Files that are pickles fit the field 'code_files', so that a stranger's are not simply loaded."""
    globs = trial.adapter.info.code_files
    if globs is None:
        raise NotApplicable("the adapter declares all its files as code")
    hidden = [
        name
        for name in trial.saved.info.files
        if not any(fnmatch(name, glob) for glob in globs) and _is_pickle(trial.saved.path / name)
    ]
    expect(
        not hidden,
        f"{', '.join(hidden)} is a pickle, and code_files={list(globs)!r} does not say so",
        "Name it there, or write it in another format",
    )


def _is_pickle(path: Path) -> bool:
    data = path.read_bytes()
    if data[:1] != b"\x80":
        return False
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except (ValueError, UnicodeDecodeError, IndexError, OverflowError):
        return False


@check("2026.11")
def loads_after_a_move(trial: Trial) -> None:
    """An exported model, imported into another store, keeps its digest and answers alike."""
    archive = export_model(trial.saved.tag, trial.folder / "subject.tiffin", store=trial.store)
    other = ModelStore(trial.folder / "elsewhere" / "store")
    moved = import_model(archive, store=other)
    expect(
        moved.info.content_digest == trial.saved.info.content_digest,
        "The content digest is another one after export and import",
        "Report this to Tiffin",
    )
    trial.expect_same(
        trial.answers(moved.load(trust=True)),
        trial.answers(trial.saved.load()),
        "once the model lies in another store",
        "Let save write no absolute paths",
    )


@check("2026.11")
def records_versions(trial: Trial) -> None:
    """The record has the version of at least one distribution, so that a load in another version can warn."""
    expect(
        bool(trial.saved.info.context.framework_versions),
        f"No version is recorded: of distributions={list(trial.adapter.info.distributions)!r} none is installed",
        "Name the framework's distribution in context_info, twins in a list of their own",
    )


@check("2026.11")
def options_are_kept(trial: Trial) -> None:
    """Options that a user gives are recorded as they were given."""
    if not trial.subject.options:
        raise NotApplicable("the subject has no options")
    recorded = trial.saved.info.options
    lost = {name: value for name, value in trial.subject.options.items() if recorded.get(name) != value}
    expect(not lost, f"The options {lost!r} are recorded as {dict(recorded)!r}", "Return from save what it was given")

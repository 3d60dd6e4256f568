"""Checks of what an adapter writes and reads."""

from __future__ import annotations

import pickletools
from fnmatch import fnmatch
from pathlib import Path

from tiffin.models import export_model, import_model
from tiffin.store import ModelStore
from tiffin.testing._bench import Trial
from tiffin.testing._promise import NotApplicable, check, expect


@check("2026.11")
def saving_changes_nothing(trial: Trial) -> None:
    """The user's own object answers after the save as it did before."""
    original = trial.subject.make()
    trial.save(original)
    trial.expect_same(
        trial.bench.answers(original),
        trial.bench.expected,
        "after the save",
        "Do not change the object in save: copy it first",
    )


@check("2026.11")
def load_gives_equal_answers(trial: Trial) -> None:
    """Every method of the loaded model answers as that of the model that was saved, or refuses as it does."""
    trial.expect_same(
        trial.bench.answers(trial.saved.load()),
        trial.bench.expected,
        "once the model is loaded",
        "Let save write all that the answers depend on",
    )


@check("2026.11")
def losses_are_reported(trial: Trial) -> None:
    """The loaded model has the parameters of the one that was saved, or the save has said what is lost."""
    read = trial.subject.parameters
    if read is None:
        raise NotApplicable("the subject does not say what its parameters are")
    before, after = read(trial.subject.make()), read(trial.saved.load())
    expect(
        trial.subject.same(before, after) or bool(trial.bench.lost),
        f"The loaded model has other parameters, and nobody was told: {after!r:.200} in place of {before!r:.200}",
        "Write them, or return tiffin.plugins.Saved(lost=['…'])",
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
def loads_from_a_moved_store(trial: Trial) -> None:
    """A store that was moved as a whole, and may only be read, loads its models as before."""
    saved = trial.save(trial.subject.make())
    moved = (trial.folder / "store").rename(trial.folder / "moved")
    _allow(moved, write=False)
    try:
        loaded = ModelStore(moved).get(saved.tag).load()
        trial.expect_same(
            trial.bench.answers(loaded), trial.bench.answered, "in a store that was moved", "Write no absolute paths"
        )
    finally:
        _allow(moved, write=True)


def _allow(folder: Path, *, write: bool) -> None:
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        place.chmod(0o755 if write else 0o555)


@check("2026.11")
def loads_after_a_move(trial: Trial) -> None:
    """An exported model, imported into another store, keeps its digest and answers alike."""
    archive = export_model(
        trial.saved.tag, trial.folder / "subject.tiffin", store=ModelStore(trial.saved.path.parents[2])
    )
    moved = import_model(archive, store=ModelStore(trial.folder / "elsewhere" / "store"))
    expect(
        moved.info.content_digest == trial.saved.info.content_digest,
        "The content digest is another one after export and import",
        "Report this to Tiffin",
    )
    trial.expect_same(
        trial.bench.answers(moved.load(trust=True)),
        trial.bench.answered,
        "once the model was exported and imported",
        "Let save write all that the answers depend on into files",
    )

"""A store for a group stays one, whatever the umask of who works in it; a private store stays private."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from store_processes import Processes
from store_states import mark_of, save

from inside.store import Attestations
from tiffin.archives import export_model, import_model
from tiffin.exceptions import ReadOnlyStoreError, StoreError, TiffinError
from tiffin.remotes import connected, pull, push
from tiffin.store import ModelStore
from tiffin.store.gc import gc
from tiffin.store.history import history
from tiffin.store.trash import undelete
from tiffin.store.usage import usage
from tiffin.store.verifying import verify

ANNA, BERT, STRANGER = 2001, 2002, 2003
GROUP = 3000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that every user may reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def everything(store: ModelStore, mark: int, other: str) -> None:
    """Do whatever changes a store, and reads it."""
    save(store, f"m:{mark}", mark)
    assert mark_of(store.get(f"m:{mark}").load()) == mark
    save(store, "shared:1", mark, overwrite=True)
    store.edit("shared:1", labels={"by": str(mark)})
    store.set_alias(f"m:{mark}", "prod")
    store.set_alias("shared:1", f"best{mark}")
    with store.create(f"raw:{mark}") as new:
        (new.path / "below").mkdir()
        (new.path / "below" / "mark.txt").write_text(str(mark))
    archive = export_model(f"m:{mark}", f"{other}/{mark}.tar", store=store)
    import_model(archive, name=f"came:{mark}", store=store)
    store.trust(f"came:{mark}")
    with connected(f"{other}/remote{mark}") as remote:
        push(store, f"m:{mark}", remote)
        pull(store, f"m:{mark}", remote, name=f"pulled:{mark}")
    with store.changing() as staging:
        digest = store.get(f"m:{mark}").info.compute_digest()
        Attestations(store.layout).add(staging, digest, f"in whatever format, by {mark}".encode(), lambda kept: None)
    with store.downloads.open("0" * 64):
        pass
    gc(store, dry_run=True)
    usage(store)
    assert verify(store) == []


def reads(store: ModelStore, mark: int) -> None:
    assert mark_of(store.get(f"m:{mark}").load()) == mark
    assert mark_of(store.get(f"m:{mark}").custom_objects["twin"]) == mark
    assert (store.get(f"raw:{mark}").path / "below" / "mark.txt").read_text() == str(mark)
    assert mark_of(store.get(f"came:{mark}").load()) == mark  # trusted by another user's word


def changes(store: ModelStore, mark: int) -> None:
    store.edit(f"m:{mark}", labels={"seen": "yes"})
    store.set_alias(f"came:{mark}", "taken")
    save(store, f"m:{mark}", mark, overwrite=True)
    store.untrust(f"came:{mark}")
    store.delete(f"m:{mark}", force=True)
    store.delete(f"raw:{mark}", now=True)
    undelete(store, f"m:{mark}")
    store.delete(f"m:{mark}")
    assert history(store, f"m:{mark}")
    gc(store, trash=True)


def act(root: str, user: int, umask: int, jobs: list[list[Any]], group: int = GROUP) -> list[str]:
    """Do jobs as a user; returns the errors."""
    with tempfile.TemporaryDirectory() as warm:  # imports what the user may not
        Path(warm, "other").mkdir()
        everything(ModelStore(f"{warm}/store"), 1, f"{warm}/other")
        reads(ModelStore(f"{warm}/store"), 1)
        changes(ModelStore(f"{warm}/store"), 1)
    os.setgroups([group])
    os.setgid(user)
    os.setuid(user)
    os.umask(umask)
    os.environ["XDG_CACHE_HOME"] = "/nonexistent"
    failed = []
    store = ModelStore(root)
    for name, *arguments in jobs:
        try:
            globals()[name](store, *arguments)
        except (TiffinError, OSError) as error:
            failed.append(f"{name}: {type(error).__name__}: {error}")
    return failed


def for_a_group(folder: Path, mode: int = 0o2775) -> Path:
    """Make a store's folders as the guide says."""
    models = folder / "store" / "models"
    models.mkdir(parents=True)
    for made in (models, models.parent):
        os.chown(made, ANNA, GROUP)
        made.chmod(mode)
    return models.parent


def free_for_all(place: Path) -> str:
    other = place / "other"
    other.mkdir()
    other.chmod(0o777)
    return str(other)


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
@pytest.mark.parametrize("setgid", [True, False])
def test_two_users_of_a_group_do_everything_in_one_store(
    place: Path, processes: Processes, umask: int, setgid: bool
) -> None:
    """Each reads what the other made and trusted, changes it and deletes it; no umask is in the way."""
    root, other = for_a_group(place, 0o2770 if setgid else 0o770), free_for_all(place)
    for first, second in ((ANNA, BERT), (BERT, ANNA)):
        jobs = [["everything", first, other], ["reads", first]]
        assert processes.run(act, root=str(root), user=first, umask=umask, jobs=jobs) == []
        jobs = [["reads", first], ["changes", first]]
        assert processes.run(act, root=str(root), user=second, umask=umask, jobs=jobs) == []
    made = [path for path in root.rglob("*") if not path.is_symlink()]
    assert {path.stat().st_gid for path in made} == {GROUP}
    assert {stat.S_IMODE(path.stat().st_mode) & 0o770 for path in made if path.is_dir()} == {0o770}
    assert all(path.stat().st_mode & 0o040 for path in made if path.is_file())
    assert not any(path.stat().st_mode & 0o007 for path in made)
    assert processes.run(act, root=str(root), user=STRANGER, umask=umask, jobs=[["reads", 1]], group=STRANGER) != []


def test_the_home_may_be_made_for_the_group_instead(place: Path, processes: Processes) -> None:
    """A store that is made in a folder with the setgid bit, in which the group may write, is the group's."""
    place.chmod(0o2770)
    os.chown(place, ANNA, GROUP)
    root = str(place / "store")
    assert processes.run(act, root=root, user=ANNA, umask=0o077, jobs=[["save", "m:1", 1]]) == []
    assert processes.run(act, root=root, user=BERT, umask=0o077, jobs=[["save", "m:2", 2]]) == []


def test_a_store_whose_root_only_one_may_write_to_is_one_for_the_group(place: Path, processes: Processes) -> None:
    """All that the group needs is made at the first change, as far as only models/ was made for it."""
    root, other = for_a_group(place), free_for_all(place)
    root.chmod(0o755)
    jobs = [["everything", ANNA, other]]
    assert processes.run(act, root=str(root), user=ANNA, umask=0o077, jobs=jobs) == []
    jobs = [["reads", ANNA], ["everything", BERT, other], ["changes", ANNA]]
    assert processes.run(act, root=str(root), user=BERT, umask=0o077, jobs=jobs) == []


def test_what_an_older_tiffin_made_for_its_maker_alone_is_opened_by_the_maker(
    place: Path, processes: Processes
) -> None:
    """staging/ was 0700 once: until its maker changes the store again, the group is told who that is."""
    root = for_a_group(place)
    assert processes.run(act, root=str(root), user=ANNA, umask=0o022, jobs=[["save", "m:1", 1]]) == []
    (root / "staging").chmod(0o700)
    (told,) = processes.run(act, root=str(root), user=BERT, umask=0o022, jobs=[["save", "m:2", 2]])
    assert f"{root}/staging belongs to user {ANNA} and the group {GROUP}, with permissions 0700" in told
    assert f"Ask user {ANNA} to let you write there" in told
    assert processes.run(act, root=str(root), user=ANNA, umask=0o022, jobs=[["save", "m:3", 3]]) == []
    assert processes.run(act, root=str(root), user=BERT, umask=0o022, jobs=[["save", "m:2", 2]]) == []


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_a_private_store_stays_private(place: Path, processes: Processes, umask: int) -> None:
    """Whatever is made later in a store of mode 0700 is for its owner alone."""
    root, other = for_a_group(place, 0o700), free_for_all(place)
    assert processes.run(act, root=str(root), user=ANNA, umask=umask, jobs=[["everything", ANNA, other]]) == []
    assert [str(path) for path in root.rglob("*") if path.stat().st_mode & 0o077] == []


def test_only_those_who_may_change_a_store_may_hold_its_locks(place: Path, processes: Processes) -> None:
    """Others read a store of mode 0755; they see neither its unfinished work nor its locks."""
    root = for_a_group(place, 0o755)
    assert processes.run(act, root=str(root), user=ANNA, umask=0o022, jobs=[["save", "m:1", 1]]) == []
    assert {stat.S_IMODE((root / name).stat().st_mode) for name in ("staging", "partial")} == {0o700}


JOBS: list[tuple[str, list[Any]]] = [
    ("save", ["new:1", 1]),
    ("reads", [ANNA]),
    ("changes", [ANNA]),
    ("everything", [BERT, "/nonexistent"]),
]


@pytest.mark.parametrize(("name", "arguments"), JOBS, ids=[name for name, _ in JOBS])
@pytest.mark.parametrize("private", ["store", "store/format", "store/models", "store/staging", "store/models/m"])
def test_who_may_not_is_told_whose_permission_is_missing(
    place: Path, processes: Processes, private: str, name: str, arguments: list[Any]
) -> None:
    """By name and mode; and nobody is advised to write into the store's files."""
    root = for_a_group(place, 0o2755)
    jobs = [["everything", ANNA, free_for_all(place)]]
    assert processes.run(act, root=str(root), user=ANNA, umask=0o022, jobs=jobs) == []
    closed = place / private
    closed.chmod(0o700 if closed.is_dir() else 0o600)
    told = processes.run(act, root=str(root), user=BERT, umask=0o022, jobs=[[name, *arguments]])
    if name == "reads" and private == "store/staging":
        assert told == []
        return
    (text,) = told
    assert text.partition(": ")[2].startswith(("StoreError", "ReadOnlyStoreError"))
    assert f"belongs to user {ANNA} and the group {GROUP}, with permissions " in text
    assert f"Ask user {ANNA} to let you" in text
    assert "write 1 into" not in text


def look(root: str, target: str) -> dict[str, str]:
    store = ModelStore(root)
    verify(store)  # imports
    os.setgid(BERT)
    os.setuid(BERT)
    found = {problem.path: f"{problem.state}: {problem.what}. {problem.fix}" for problem in verify(ModelStore(root))}
    for action in (lambda: store.get("m:1").load(), lambda: export_model("m:1", target, store=store)):
        with pytest.raises(StoreError) as caught:
            action()
        found[str(len(found))] = str(caught.value)
    return found


def test_a_file_that_may_not_be_read_is_not_called_damaged(place: Path, processes: Processes) -> None:
    """Verify, load and export say whose it is; it is to be neither restored nor deleted."""
    store = ModelStore(place / "store")
    model = save(store, "m:1", 1)
    model.path_of("model.pkl").chmod(0o600)
    found = processes.run(look, root=str(store.path), target=f"{free_for_all(place)}/m.tar")
    assert len(found) == 5
    for path, text in found.items():
        assert "belongs to root and the group root, with permissions 0600" in text, path
        assert "Ask root to let you read it" in text
        assert "damaged" not in text


def test_a_format_that_cannot_be_read_is_to_be_restored(store: ModelStore) -> None:
    """The error advises nobody to write it."""
    save(store, "m:1", 1)
    Path(store.layout.format).write_text("one\n")
    with pytest.raises(StoreError, match=r"unreadable format version: 'one'.*Restore .*/format from a backup"):
        ModelStore(store.path).list()


@pytest.fixture(params=["replace", "symlink"])
def odd(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Make something else of the format's file."""
    return Path.mkdir if request.param == "replace" else lambda path: path.symlink_to("/")


def test_a_folder_in_place_of_the_format_is_told(store: ModelStore, odd: Callable[[Path], None]) -> None:
    """As one that cannot be read."""
    save(store, "m:1", 1)
    Path(store.layout.format).unlink()
    odd(Path(store.layout.format))
    with pytest.raises(StoreError, match="unreadable format version: which is a folder"):
        ModelStore(store.path).list()


def test_a_refusal_elsewhere_is_not_the_stores(store: ModelStore, tmp_path: Path) -> None:
    """An export to a place that may not be written to says nothing of the store."""
    save(store, "m:1", 1)
    with pytest.raises(TiffinError) as caught:
        export_model("m:1", "/proc/m.tar", store=store)
    assert not isinstance(caught.value, ReadOnlyStoreError)

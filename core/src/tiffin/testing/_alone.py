"""Another program, which sees an adapter as a user's does that has not imported the framework yet.

One process does all of it, since starting one takes longer than most checks: what finding the adapter imports; how a load
fails where the framework is missing (in a fork, which hides it); what saves leave behind, killed ones (in forks) and one that
is not.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tiffin import pickling
from tiffin.exceptions import ConformanceError, PicklingError
from tiffin.model import Model
from tiffin.plugins import Adapter, registry
from tiffin.testing._subject import Subject

_TIME_LIMIT = 300
"""Seconds that the program may take."""
_BOOT = "import json,sys;sys.path[:]=json.loads(sys.argv[1]);from tiffin.testing._alone import main;main()"
_NEVER_HIDDEN = {"numpy", "attr", "attrs", "pluggy", "yaml", "tiffin"}


def ask(subject: Subject, adapter: Adapter, saved: Model, folder: Path) -> Mapping[str, Any]:
    """Run the program, and return what it found.

    Args:
        subject: the model and its inputs.
        adapter: the adapter.
        saved: the model, saved.
        folder: where the program works; made.

    Returns:
        "imported": packages that came with finding the adapter; "hidden": those that were hidden; "missing": how the load
        ended then (names of classes, and text), `None` where nothing could be hidden; "left": what a save left in the current
        and the temporary folder; "killed": what killed saves left there; "published": how many versions these
        published; "unsent": why the subject could not be sent, else empty.
    """
    for name in ("working", "temporary"):
        (folder / name).mkdir(parents=True)
    # What the program needs of it, and no more: values of a framework's own may be ones that no pickle takes.
    sent = Subject(framework=subject.framework, make=subject.make, options=subject.options)
    try:
        data, unsent = pickling.dumps(sent), ""
    except PicklingError as error:
        data, unsent = b"", str(error)
    plugin = adapter.plugin
    task = {
        "framework": adapter.name,
        "module": plugin.__name__ if isinstance(plugin, ModuleType) else "",
        "plugin": "" if isinstance(plugin, ModuleType) else pickling.dumps(plugin).hex(),
        "hide": hidden(adapter),
        "store": str(saved.path.parents[2]),
        "tag": str(saved.tag),
        "folder": str(folder),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=folder / "working", env={**os.environ, "TMPDIR": str(folder / "temporary")}, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(json.dumps(task).encode() + b"\n" + data, _TIME_LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise ConformanceError(
            f"The adapter cannot be used by a program of its own: {said[-1]}",
            fix="Let its module import what it needs by itself, and the subject's `make` too",
            check="",
        )
    return {**json.loads(out.splitlines()[-1]), "hidden": task["hide"], "unsent": unsent}


def packages(adapter: Adapter) -> set[str]:
    """Return the packages of the classes that the adapter claims, without its own, and those that come with Python."""
    plugin = adapter.plugin
    own = (plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__).partition(".")[0]
    claimed = {dotted.partition(".")[0] for dotted in (*adapter.info.types, *adapter.info.types_by_name)}
    return claimed - {own} - sys.stdlib_module_names


def hidden(adapter: Adapter) -> list[str]:
    """Return the packages without which the adapter's models cannot be loaded, and Tiffin runs."""
    return sorted(packages(adapter) - _NEVER_HIDDEN)


# -- in the program ----------------------------------------------------------------------------------------------------


def main() -> None:
    """Do what the parent process asks on the standard input, and print what came of it."""
    task = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    before = _tops()
    _adapter(task).info_unwrapped()
    found: dict[str, Any] = {"imported": sorted(_tops() - before), "missing": None}
    if task["hide"]:
        found["missing"] = _in_fork(lambda: _load_without(task["hide"], task["store"], task["tag"]))
    if data:
        # The parent's own words, over a pipe that it made.
        found |= _try_saves(pickle.loads(data), Path(task["folder"]))  # noqa: S301
    print("\n" + json.dumps(found))


def _tops() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def _adapter(task: Mapping[str, Any]) -> Adapter:
    name = task["framework"]
    if not registry().has(name):
        if task["module"]:
            registry().register(importlib.import_module(task["module"]), name)
        else:
            registry().register(pickle.loads(bytes.fromhex(task["plugin"])), name)  # noqa: S301 - as above
    return registry().adapter(name)


def _in_fork(function: Callable[[], Any]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else None


class _Hiding:
    """Finds none of some packages, as where they are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _load_without(names: Sequence[str], store: str, tag: str) -> dict[str, Any]:
    from tiffin.store import ModelStore

    sys.meta_path.insert(0, _Hiding(names))
    try:
        ModelStore(store).get(tag).load()
    # How it fails is what is looked at.
    except Exception as error:  # noqa: BLE001
        return {"kinds": [kind.__name__ for kind in type(error).__mro__], "text": str(error)[:2000]}
    return {"kinds": [], "text": ""}


_WRITING = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink")


class _Killer:
    """Counts what an adapter's save does to files, and ends the process in the middle of it."""

    def __init__(self) -> None:
        self.inside = False
        self.steps = 0
        self.at: int | None = None

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take in an event of the interpreter's."""
        if self.inside and event in _WRITING and (event != "open" or _writes(*args)):
            self.steps += 1
            if self.steps == self.at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, save: Callable[..., Any]) -> Callable[..., Any]:
        """Return a save that is watched, and ends the process once it is done where `at` is 0."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.inside, self.steps = True, 0
            try:
                return save(*args, **kwargs)
            finally:
                self.inside = False
                if self.at == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        return watched


def _writes(_: Any, mode: Any = None, flags: Any = 0) -> bool:
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


def _try_saves(subject: Subject, folder: Path) -> dict[str, Any]:
    from tiffin.store import ModelStore

    places = [folder / "working", folder / "temporary"]

    def listed() -> set[str]:
        return {str(path.relative_to(folder)) for place in places for path in place.rglob("*")}

    store = ModelStore(folder / "store")

    def save() -> None:
        store.save("subject", model, framework=subject.framework, **subject.options)

    model = subject.make()
    killer = _Killer()
    sys.addaudithook(killer.hear)
    Adapter.save = killer.around(Adapter.save)  # type: ignore[method-assign]

    def count() -> int:
        save()
        return killer.steps

    before = listed()
    save()
    left = listed() - before
    # Not those of the first save, which may write what no other one does: compiled modules, an adapter's own cache.
    steps = _in_fork(count) or 0
    published = len(store.list())
    # Where compiled code alone writes there are no steps to be seen: then it is killed once it is done.
    for killer.at in sorted({0, min(1, steps), steps // 2, steps}):
        _in_fork(save)
    return {
        "left": sorted(left),
        "killed": sorted(listed() - before - left),
        "published": len(store.list()) - published,
    }

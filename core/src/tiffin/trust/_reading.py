"""Reading what is not trusted: core builds it, by its own lists and those of the installed adapters."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tiffin import pickling
from tiffin.building import Lists, Unbuildable, as_name, build, core_lists, judge
from tiffin.exceptions import HookError, PluginError, UntrustedModelError
from tiffin.inspection import Inspection, inspect_file
from tiffin.plugins import AdapterInfo, registry
from tiffin.trust._parts import Part

if TYPE_CHECKING:
    from tiffin.plugins import CodeReader

_known: tuple[tuple[AdapterInfo, ...], Lists] | None = None


def lists() -> Lists:
    """Return what core and all usable adapters let be built; read anew only where other adapters are there."""
    global _known
    adapters = registry()
    infos: list[tuple[str, AdapterInfo]] = []
    for name in adapters.names():
        try:
            infos.append((name, adapters.adapter(name).info))
        except PluginError:
            continue  # a broken adapter allows nothing, and takes no other down; `tiffin plugins list` shows it
    those = tuple(info for _, info in infos)
    known = _known
    if known is not None and len(known[0]) == len(those) and all(a is b for a, b in zip(known[0], those, strict=True)):
        return known[1]
    found = core_lists()
    for name, info in infos:
        try:
            info.add_to(found, name)
        except PluginError:
            continue
    _known = (those, found)
    return found


def inspect(path: Path, reader: CodeReader) -> Inspection:
    """Return what a file says, as its reader takes it."""
    if callable(reader):
        return reader(path)
    return inspect_file(path, reader)  # type: ignore[arg-type]


class PartReader:
    """What an adapter reads the code files of an untrusted part with; each call builds one of them.

    Args:
        tag: the model's, for errors.
        version: the version's folder.
        part: the part.
        found: path below the version's folder → what the file says, as it was judged; used once.
    """

    def __init__(self, tag: str, version: Path, part: Part, found: dict[str, Inspection]) -> None:
        self._tag = tag
        self._version = version
        self._part = part
        self._found = found

    def __call__(self, file: str) -> Any:
        """Return what core builds of a file.

        Args:
            file: its path below the part's folder, with "/".

        Raises:
            HookError: the adapter does not say how the file is read.
            UntrustedModelError: it says what must not be built.
        """
        name = str(PurePosixPath(file))
        path = f"{self._part.folder}/{name}" if self._part.folder else name
        reader = self._part.reader(name)
        if reader is None or ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise HookError(
                f"The adapter {self._part.framework!r} asks for the file {file!r} of a model that is not trusted",
                why="Its code_readers do not say how that is read",
                fix="Report this to the adapter's authors",
                plugin=self._part.framework,
            )
        place = self._version / path
        if place.is_symlink() or not place.is_file():
            raise self._error(path, (), ("It is not there, or a link or a special file",))
        found = self._found.pop(path, None) or inspect(place, reader)
        refused, problems = judge_inspection(found, lists())
        if refused or problems or found.tape is None:
            raise self._error(path, refused, problems)
        try:
            return build(found.tape, lists(), self._buffers(path, reader))
        except Unbuildable as error:
            raise self._error(path, (), (f"The file cannot be built: {error}",)) from error

    def item(self, file: str, item: str | None) -> Any:
        """Return what core builds of a file, or one item of the dict that it holds.

        Raises:
            UntrustedModelError: it says what must not be built, is no dict, or has no such item.
        """
        made = self(file)
        if item is None:
            return made
        if type(made) is not dict or item not in made:
            raise self._error(file, (), (f"It has no item {item!r}",))
        return made[item]

    def _buffers(self, path: str, reader: CodeReader) -> list[memoryview] | None:
        place = self._version / path
        if reader != "pickle" or place.suffix != ".pkl":
            return None
        return pickling.map_buffers(place.parent, place.stem, place.stat().st_size, apart=True)

    def _error(self, path: str, names: tuple[str, ...], problems: tuple[str, ...]) -> UntrustedModelError:
        return UntrustedModelError(
            f"Model '{self._tag}' could run code when it is loaded, is not trusted, and cannot be built without that",
            why=". ".join((*problems, *names)),
            fix=f"Look at it with: tiffin models inspect {self._tag}. If you trust who made it: "
            f"tiffin models trust {self._tag}, or load(…, trust=True)",
            tag=self._tag,
            names=names,
            problems=tuple(f"{path}: {problem}" for problem in problems),
        )


def judge_inspection(found: Inspection, allowed: Lists) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names in a file that no list allows, and the problems that it has."""
    if found.tape is not None:
        refused, problems = judge(found.tape, allowed)
        return refused, (*found.problems, *problems)
    refused = tuple(name for name in found.names if not allowed.knows(as_name(name)))
    return refused, found.problems or ("Its reader tells what it names, and gives nothing to build it from",)

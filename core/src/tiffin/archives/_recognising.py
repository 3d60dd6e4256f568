"""Finding out which tool wrote an archive, and reading its record: bounded, as data, nothing of it imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from tiffin.archives._rules import Checks
from tiffin.exceptions import ForeignModelError, HookError, PluginConflictError, RecordError
from tiffin.hints import install_hint, known
from tiffin.info import MAX_RECORD, RECORD_NAME, check_yaml
from tiffin.plugins import ForeignDescription, ForeignTool, foreign_tools

_EXPANDED = 16 << 20
"""Characters that a record may stand for: PyYAML writes what stands in it twice as a reference."""


@attrs.frozen
class Found:
    """A foreign model that was found in an archive.

    Attributes:
        description: what its record says.
        root: the folder that holds it, with "/" at its end; empty where that is the archive itself.
    """

    description: ForeignDescription
    root: str


def is_foreign_record(text: bytes, member: str, checks: Checks) -> bool:
    """Tell whether a model.yaml that is not Tiffin's is that of another tool. One that cannot be read is not.

    Args:
        text: the file.
        member: its path in the archive.
        checks: names the archive in errors.

    Raises:
        ForeignModelError: it is that of a tool whose plugin is not installed.
    """
    try:
        data = _read(text, member)
    except RecordError:
        return False
    if any(tool.record == RECORD_NAME and tool.is_record(data) for tool in foreign_tools()):
        return True
    _check_installed(member, data, checks)
    return False


def find_foreign(folder: str, files: Mapping[str, int], checks: Checks) -> Found | None:
    """Return the foreign model that was unpacked, `None` where there is none.

    It may lie in the archive itself, or in the one folder that the archive holds.

    Args:
        folder: where the files were unpacked to.
        files: path → bytes, of all that was unpacked.
        checks: names the archive in errors.

    Raises:
        DamagedArchiveError: there is a record that cannot be read, or that no tool would write.
        ForeignModelError: it is a model of a tool whose plugin is not installed.
        PluginConflictError: it is a model of two tools.
        HookError: a plugin describes it wrongly.
    """
    root = ""
    tops = {path.split("/", 1)[0] for path in files}
    if len(tops) == 1 and all("/" in path for path in files):
        root = f"{tops.pop()}/"
    inner = {path[len(root) :]: size for path, size in files.items()}

    def read(name: str) -> Any:
        return _parse(_load(Path(folder, root + name), root + name, checks), root + name, checks)

    known_tools = foreign_tools()
    names = {tool.record for tool in known_tools}
    others = {key.partition(": ")[0] for key in known("records")}
    records = {name: read(name) for name in sorted((names | others) & inner.keys())}
    tools = [tool for tool in known_tools if tool.record in records and tool.is_record(records[tool.record])]
    if not tools:
        for name in sorted(names & records.keys()):
            raise checks.damaged("it is not as the tool writes it that gives this name to its record", root + name)
        for name, data in records.items():
            _check_installed(root + name, data, checks)
        return None
    if len(tools) > 1:
        raise _conflict(tools, checks)
    [tool] = tools
    notes = {name: read(name) for name in tool.notes if name in inner}
    description = tool.describe(records[tool.record], inner, notes)
    if not isinstance(description, ForeignDescription):
        raise HookError(
            f"{_plugin(tool)} describes the model in {checks.path} as {description!r}",
            why="Nothing of it was imported",
            fix="Return a tiffin.plugins.ForeignDescription",
            plugin=_plugin(tool),
        )
    return Found(description, root)


def read_above(folder: Path, names: Iterable[str], checks: Checks) -> dict[str, Any]:
    """Return what stands in files of another tool's beside the folder of a model, by name; of those that are there.

    Raises:
        DamagedArchiveError, UnsafeArchiveError: one cannot be read.
    """
    return {
        name: _parse(_load(folder / name, name, checks), name, checks) for name in names if (folder / name).is_file()
    }


def _check_installed(path: str, data: Any, checks: Checks) -> None:
    """Refuse a record of a tool that no installed plugin knows and that a package of Tiffin's own reads."""
    name = path.rpartition("/")[2]
    # One of Tiffin's own, damaged: those name a framework.
    fields = data if isinstance(data, Mapping) and not (name == RECORD_NAME and "framework" in data) else ()
    hint = next((hint for field in fields if (hint := install_hint(f"{name}: {field}", "records"))), "")
    if hint:
        raise ForeignModelError(
            f"{checks.path} holds a model of another tool, as its {name} says, and the plugin that reads it is not installed",
            why="Nothing of it was imported",
            fix=hint,
            path=checks.path, member=path, tool="", kinds=(),
        )  # fmt: skip


def _conflict(tools: list[ForeignTool], checks: Checks) -> PluginConflictError:
    names = [_plugin(tool) for tool in tools]
    return PluginConflictError(
        f"{' and '.join(names)} both take what {checks.path} holds for a model of their tool's",
        why="Which of them is meant cannot be told",
        fix="Switch the plugin of the other one off: TIFFIN_DISABLE_PLUGINS=NAME; 'tiffin plugins list' has the names",
        plugin=names[0],
        distributions=tuple(names),
    )


def _plugin(tool: ForeignTool) -> str:
    return type(tool).__module__.partition(".")[0]


def _load(path: Path, member: str, checks: Checks) -> bytes:
    with path.open("rb") as file:
        text = file.read(MAX_RECORD + 1)
    if len(text) > MAX_RECORD:
        raise checks.refuse(member, f"it is longer than {MAX_RECORD} bytes")
    return text


_TAGS = frozenset({"tag:yaml.org,2002:binary"})
"""Types that other tools' records name, and that take no more time than the text is long."""


def _parse(text: bytes, member: str, checks: Checks) -> Any:
    try:
        return _read(text, f"{member} of {checks.path}")
    except RecordError as error:
        raise checks.damaged(error.what, member) from error


def _read(text: bytes, path: str) -> Any:
    import yaml

    check_yaml(text, path, expands_to=_EXPANDED, tags=_TAGS)
    load: Callable[..., Any] = yaml.load
    try:
        # The safe loaders build plain data only; nothing in the file can name code to run.
        return load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RecordError(f"The record {path} is not YAML: {' '.join(str(error).split())}", path=path) from error

"""Making a version of a foreign model: its adapter is found, its files get the names that the adapter reads."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from tiffin.archives._recognising import Found
from tiffin.archives._rules import Checks
from tiffin.exceptions import ForeignModelError, InvalidTagError
from tiffin.files import WriteLedger
from tiffin.info import (
    RECORD_NAME,
    ModelContext,
    ModelInfo,
    ObjectEntry,
    Paths,
    check_metadata,
    options_from,
    options_to_dict,
)
from tiffin.inspection import pickled_keys
from tiffin.plugins import Adapter, ForeignDescription, ForeignModel, ForeignReading, find_reader, registry
from tiffin.showing import shown
from tiffin.signatures import normalise_signatures
from tiffin.tags import Tag, new_version

_OBJECTS = "custom_objects"
_SHOWN = 5


@attrs.frozen
class Imported:
    """A foreign model whose files lie as a version of Tiffin's.

    Attributes:
        info: its record; files and content digest are missing yet.
        ledger: digests of its files.
        origin: what it is, for the origin record.
        lost: what is not kept.
    """

    info: ModelInfo
    ledger: WriteLedger
    origin: str
    lost: tuple[str, ...]


def place(
    found: Found,
    folder: str,
    digests: Mapping[str, str],
    checks: Checks,
    *,
    name: str | Tag | None,
    as_files: bool,
) -> Imported:
    """Make a version of a foreign model that was unpacked. Nothing of it is loaded.

    Args:
        found: the model.
        folder: the staging folder with its files.
        digests: path → sha256 of what was unpacked.
        checks: names the archive in errors.
        name: another name, or name and version.
        as_files: whether it becomes a folder of files, which no adapter loads.

    Raises:
        ForeignModelError: no adapter reads it, or it has no name.
        InvalidTagError: its name is none that Tiffin allows.
        UnsafeArchiveError, DamagedArchiveError: its files are not what its record says.
    """
    described = found.description
    tag = _tag(described, name, checks)
    reader = None if as_files or not described.models else _reader(described, checks)
    moves = dict(reader[2].renames) if reader else {}
    if described.objects:
        moves[described.objects] = f"{_OBJECTS}/{described.tool.lower()}/model.pkl"
    moves |= described.renames
    inner = {path[len(found.root) :]: path for path in digests}
    paths = _arrange(inner, moves, described.objects, checks)
    _move(folder, paths)
    ledger = WriteLedger()
    for path, before in paths.items():
        ledger.record(f"{folder}/{path}", digests[before], synced=True)
    objects = _objects(described, folder, moves)
    info = _info(described, tag, reader, as_files=as_files, objects=objects)
    by = f"{described.tool} {described.tool_version}".rstrip()
    lost = tuple(info.metadata[_key(described)].get("not_kept", ()))
    return Imported(info, ledger, f"made by {by}, which gave it no digests", lost)


def _tag(described: ForeignDescription, name: str | Tag | None, checks: Checks) -> Tag:
    given = Tag.parse(name) if name is not None else None
    if given is None and not described.name:
        raise ForeignModelError(
            f"The model in {checks.path} has no name",
            why=f"{described.tool}'s models have none of their own",
            fix="Give it one: name=… (--as NAME)",
            path=checks.path, member="", tool=described.tool, kinds=tuple(model.kind for model in described.models),
        )  # fmt: skip
    try:
        tag = given or Tag(described.name, described.version or None)
        version = tag.version or (described.version if described.version else None)
        return Tag(tag.name, version or new_version()[0])
    except InvalidTagError as error:
        raise InvalidTagError(
            f"The model in {checks.path} cannot keep its tag: {error.what}",
            why=error.why,
            fix="Import it under another one: name=… (--as NAME:VERSION)",
            value=error.value,
        ) from error


def _reader(described: ForeignDescription, checks: Checks) -> tuple[ForeignModel, Adapter, ForeignReading]:
    reader = find_reader(described.models)
    if reader is not None:
        return reader
    kinds = tuple(model.kind for model in described.models)
    raise ForeignModelError(
        f"No installed adapter reads what {described.tool} calls {_some(kinds)}",
        why=f"Only an adapter that knows its files can load them (installed: {', '.join(registry().names()) or 'none'})",
        fix="Install the adapter of its framework, or import the bare files: as_files=True (--as-files)",
        path=checks.path, member="", tool=described.tool, kinds=kinds,
    )  # fmt: skip


def _some(kinds: tuple[str, ...]) -> str:
    more = f" and {len(kinds) - _SHOWN} more" if len(kinds) > _SHOWN else ""
    return ", ".join(shown(repr(kind)) for kind in kinds[:_SHOWN]) + more


def _arrange(inner: Mapping[str, str], moves: Mapping[str, str], objects: str, checks: Checks) -> dict[str, str]:
    """Return path → path as it was unpacked.

    Args:
        inner: path as the record and the adapter know it → path as it was unpacked.
        moves: path → new path.
        objects: the one file that may get among the custom objects.
        checks: names the archive in errors.
    """
    for path in moves:
        if path not in inner:
            raise checks.damaged("the file is missing", path)
    taken = Paths()
    arranged: dict[str, str] = {}
    for path, before in inner.items():
        after = moves.get(path, path)
        wrong = taken.add(after)
        if after == RECORD_NAME or (after.split("/")[0] == _OBJECTS and path != objects):
            wrong = "Tiffin keeps this name for itself"
        if wrong:
            raise checks.refuse(path, wrong)
        arranged[after] = before
    return arranged


def _move(folder: str, paths: Mapping[str, str]) -> None:
    # By way of a folder of its own, since one file may get the name that another one gives up.
    changed = {after: before for after, before in paths.items() if after != before}
    if not changed:
        return
    aside = Path(folder, _free(paths.values()))
    aside.mkdir()
    for number, before in enumerate(changed.values()):
        Path(folder, before).rename(aside / str(number))
    for parent, _, _ in os.walk(folder, topdown=False):
        if parent not in (folder, str(aside)):
            with contextlib.suppress(OSError):  # files that stay
                Path(parent).rmdir()
    for number, after in enumerate(changed):
        target = Path(folder, after)
        target.parent.mkdir(parents=True, exist_ok=True)
        (aside / str(number)).rename(target)
    aside.rmdir()


def _free(paths: Any) -> str:
    used = {path.split("/")[0] for path in paths}
    return next(name for name in (f"moving-{number}" for number in range(len(used) + 1)) if name not in used)


def _objects(described: ForeignDescription, folder: str, moves: Mapping[str, str]) -> dict[str, ObjectEntry]:
    if not described.objects:
        return {}
    path = moves[described.objects]
    keys = pickled_keys(Path(folder, path))
    below = path.rpartition("/")[0]
    if keys is None or not all(keys):
        described.lost.append(f"the names of the custom objects: all are one custom object, {_OBJECTS!r}, a dict")
        return {_OBJECTS: ObjectEntry(below)}
    return {key: ObjectEntry(below, "", {"item": key}) for key in keys}


def _info(
    described: ForeignDescription,
    tag: Tag,
    reader: tuple[ForeignModel, Adapter, ForeignReading] | None,
    *,
    as_files: bool,
    objects: dict[str, ObjectEntry],
) -> ModelInfo:
    versions: dict[str, str] = {}
    signatures, options, framework = dict(described.signatures), {}, ""
    unused = list(described.options)
    if reader is None:
        if as_files and described.models:
            described.lost.append("how to load it: it is a folder of files now")
        described.lost += [f"the partial kwargs of {method!r}" for method in described.partial_kwargs]
    else:
        model, adapter, reading = reader
        framework = adapter.name
        described.facts[described.kind_field] = model.kind
        versions = _versions(adapter, {**described.versions, **reading.versions})
        if reading.signatures is not None:
            signatures = normalise_signatures(reading.signatures, {})
        options = _options(described, adapter, reading, signatures)
        described.lost += map(str, reading.not_kept)
        unused = [name for name in unused if name not in {*reading.options, *reading.used}]
    described.lost += [f"the option {name!r}" for name in unused]
    return ModelInfo(
        name=tag.name,
        version=str(tag.version),
        framework=framework,
        labels=described.labels,
        metadata=_with_facts(described),
        options=options,
        context=ModelContext(
            framework_name=framework,
            framework_versions=versions,
            tiffin_version="",
            python_version=described.python_version,
        ),
        signatures=signatures,
        custom_objects=objects,
        creation_time=described.created or datetime.datetime.now(datetime.UTC),
    )


def _versions(adapter: Adapter, versions: Mapping[str, Any]) -> dict[str, str]:
    # Only what the adapter itself would record: each name is looked up among what is installed at every load.
    names = [name for one in adapter.info.distributions for name in ([one] if isinstance(one, str) else one)]
    known = {_canonical(name): name for name in names}
    found = {known.get(_canonical(name), ""): ForeignDescription.text_of(version) for name, version in versions.items()}
    return {name: version for name, version in found.items() if name and version}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _options(
    described: ForeignDescription, adapter: Adapter, reading: ForeignReading, signatures: Mapping[str, Any]
) -> dict[str, Any]:
    options: dict[str, Any] = dict(reading.options)
    partial = {}
    for method, values in described.partial_kwargs.items():
        if method in signatures and isinstance(values, dict):
            partial[method] = values
        else:
            described.lost.append(f"the partial kwargs of {method!r}, which has no signature")
    if partial:
        options["partial_kwargs"] = partial
    return options_to_dict(options_from(adapter.info.options, options))


def _key(described: ForeignDescription) -> str:
    key = described.tool.lower()
    while key in described.metadata:  # the user's own field of that name stays what it is
        key += "_"
    return key


def _with_facts(described: ForeignDescription) -> dict[str, Any]:
    facts = {"version": described.tool_version, **{name: fact for name, fact in described.facts.items() if fact}}
    if described.lost:
        facts["not_kept"] = [shown(text) for text in described.lost[: described.MAX_LOST]]
    return check_metadata({**described.metadata, _key(described): facts})

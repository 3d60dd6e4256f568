"""Which version of a remote a tag means, and what a remote has."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterable, Mapping

import attrs

from tiffin.exceptions import (
    AmbiguousTagError,
    InvalidTagError,
    ModelNotFoundError,
    RecordError,
    RemoteDamagedError,
    RemoteDeniedError,
    RemoteUnreachableError,
    StoreWarning,
    TransferError,
)
from tiffin.info import RECORD_NAME, FileEntry, ModelInfo, read_foreign_record
from tiffin.places import Silent
from tiffin.remotes._interface import Remote, RemoteVersion
from tiffin.remotes._parallel import each
from tiffin.remotes._streams import Stop
from tiffin.showing import close_names, command
from tiffin.tags import LATEST, Tag, check_part, new_version


def find(remote: Remote, tag: str | Tag, rename: Tag | None = None) -> tuple[RemoteVersion, ModelInfo]:
    """Return the version of a remote that a tag means, and its record.

    Args:
        remote: the remote.
        tag: `name` or `name:latest` for the newest; `name:version`, `name:alias`, or a unique beginning of a version.
        rename: what the record is to be called instead. What another tool has put there may be called in ways that no
            model of Tiffin's can be.

    Raises:
        InvalidTagError: what it is called cannot be a name and version, and it is not renamed.
        ModelNotFoundError, AmbiguousTagError: it means none, or several.
        RemoteDamagedError: the record is not valid.
        TransferError: the remote cannot be reached.
    """
    name, colon, wanted = str(tag).partition(":")
    check_part(name, "model name")
    if not colon or wanted == LATEST:
        found = _infos(remote, name, remote.versions(name))
        if not found:
            raise _not_found(remote, str(tag))
        newest = max(found, key=lambda pair: _age(pair[1]))[0]
        return newest, info_of(remote, newest, rename)
    version = remote.find(name, wanted)
    if version is None:
        aliases = remote.aliases(name)
        version = remote.find(name, aliases[wanted]) if wanted in aliases else None
    if version is None:
        begin = sorted(known for known in remote.versions(name) if known.startswith(wanted))
        if len(begin) > 1:
            raise AmbiguousTagError(
                f"'{tag}' on {remote.url} could be {len(begin)} versions: {', '.join(begin[:5])}"
                f"{', …' if len(begin) > 5 else ''}",
                fix="Give more of the version",
                tag=str(tag),
                versions=tuple(begin),
            )
        version = remote.find(name, begin[0]) if begin else None
    if version is None:
        raise _not_found(remote, str(tag))
    return version, info_of(remote, version, rename)


def list_remote(
    remote: Remote,
    tag: str | Tag | None = None,
    *,
    labels: Mapping[str, str | None] | None = None,
    framework: str | None = None,
) -> list[ModelInfo]:
    """Return the records of what a remote has, by name, newest first.

    Args:
        remote: the remote.
        tag: only this name's versions; with a version, only what it means.
        labels: only those that have all these labels; a value of `None` stands for any value.
        framework: only those that this adapter saved.

    Raises:
        ModelNotFoundError: the name, or the version, that `tag` means is not there.
        TransferError: the remote cannot be reached, or cannot list.
    """
    if tag is not None and ":" in str(tag):
        found = [find(remote, tag)[1]]
    else:
        names = sorted(remote.names()) if tag is None else [check_part(str(tag), "model name")]
        found = [info for name in names for _, info in _infos(remote, name, remote.versions(name))]
        if tag is not None and not found:
            raise _not_found(remote, str(tag))
    if framework is not None:
        found = [info for info in found if info.framework == framework]
    for key, value in (labels or {}).items():
        found = [info for info in found if key in info.labels and value in (None, info.labels[key])]
    found.sort(key=_age, reverse=True)
    return sorted(found, key=lambda info: info.name)


def info_of(remote: Remote, version: RemoteVersion, rename: Tag | None = None) -> ModelInfo:
    """Return the record of a version; for what another tool put there, one that is made from what is known.

    Raises:
        InvalidTagError: what it is called cannot be a name and version, and it is not renamed.
        RemoteDamagedError: it is not valid, or another version's.
    """
    if version.record is None:
        return _made(version, rename)
    where = f"{RECORD_NAME} of {version.name}:{version.version} on {remote.url}"
    try:
        info = read_foreign_record(version.record, where)
    except RecordError as error:
        raise RemoteDamagedError(error.what, why="It is not taken from there", fix=error.fix, url=remote.url) from error
    if (info.name, info.version) != (version.name, version.version):
        raise RemoteDamagedError(
            f"The {where} is that of {info.tag}",
            why="Who changes the name of a model on its way may mean another model to be taken for it",
            url=remote.url,
        )
    if rename is None:
        return info
    return attrs.evolve(info, name=rename.name, version=rename.version or info.version)


def _age(info: ModelInfo) -> tuple[bool, datetime.datetime, str]:
    # Whoever may write there could else be the newest for ever: a time ahead of the reader's clock never wins.
    return info.creation_time <= datetime.datetime.now(datetime.UTC), info.creation_time, info.version


def _infos(remote: Remote, name: str, versions: Iterable[str]) -> list[tuple[RemoteVersion, ModelInfo]]:
    """Return the versions of a name and their records; one that is not valid is warned of, and passed over."""

    def look(version: str) -> RemoteVersion | TransferError | None:
        try:
            return remote.find(name, version)
        except (RemoteUnreachableError, RemoteDeniedError):
            raise
        except TransferError as error:  # of this version: the others are there all the same
            return error

    found = each(look, sorted(versions), remote.threads, Stop(Silent()))
    infos = []
    for version in found:
        if version is None:  # somebody pushes it right now, or has given up
            continue
        try:
            if isinstance(version, TransferError):
                raise version
            infos.append((version, info_of(remote, version) if version.record is not None else _described(version)))
        except TransferError as error:
            warnings.warn(str(error), StoreWarning, stacklevel=4)
    return infos


def _made(version: RemoteVersion, rename: Tag | None) -> ModelInfo:
    info = _described(version)
    if rename is not None:
        info = attrs.evolve(info, name=rename.name, version=rename.version or info.version)
    if info.version == LATEST:  # a name of many artifacts elsewhere; here it stands for the newest version
        info = attrs.evolve(info, version=new_version()[0])
    try:
        check_part(info.name, "model name")
        check_part(info.version, "version")
    except InvalidTagError as error:
        raise InvalidTagError(
            error.what, why=error.why, fix="Give it another name: --as NAME:VERSION", value=error.value
        ) from error
    return info


def _described(version: RemoteVersion) -> ModelInfo:
    """Return a record for what another tool has put there; name and version need not be such as Tiffin's models have."""
    return ModelInfo(
        name=version.name,
        version=version.version,
        labels={str(key): str(value) for key, value in version.labels.items()},
        metadata=dict(version.metadata),
        files={content.path: FileEntry(content.size, content.sha256) for content in version.contents if content.path},
        creation_time=_created(version),
    )


def _created(version: RemoteVersion) -> datetime.datetime:
    text = str(version.metadata.get("created", ""))
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return datetime.datetime.fromtimestamp(0, datetime.UTC)
    try:
        return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    except OverflowError:  # at the ends of the calendar
        return datetime.datetime.fromtimestamp(0, datetime.UTC)


def _not_found(remote: Remote, tag: str) -> ModelNotFoundError:
    name = tag.partition(":")[0]
    versions = sorted(remote.versions(name), reverse=True)
    if versions:
        fix = f"'{name}' has {_some(versions)} there"
        if aliases := sorted(remote.aliases(name)):
            fix += f", and the aliases {_some(aliases)}"
        return ModelNotFoundError(f"Model '{tag}' was not found on {remote.url}", fix=fix, tag=tag)
    why, fix = "", "Look at what is there"
    if offered := command("tiffin", "remotes", "models", remote.url):
        fix += f": {offered}"
    try:
        names = sorted(remote.names())
    except TransferError as error:  # nothing was ever pushed there; or a registry does not tell its names
        why, fix = error.what, "Look at the name, and whether that is the place that you mean"
    else:
        close = close_names(name, names, 1)
        if close:
            fix = f"Did you mean {close[0]!r}?"
        elif not names:
            why, fix = "Nothing has been pushed there", "Look whether that is the place that you mean"
    return ModelNotFoundError(f"Model '{tag}' was not found on {remote.url}", why=why, fix=fix, tag=tag)


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:6]) + (", …" if len(texts) > 6 else "")

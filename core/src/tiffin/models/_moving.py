"""Moving models: archives, remotes."""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tiffin.model import Model
from tiffin.models._default import default_store
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.archives import ImportReport, Limits
    from tiffin.info import ModelInfo
    from tiffin.places import Progress
    from tiffin.remotes import Pushed, Remote


def export_model(
    tag: str | Tag | Model,
    path: str | os.PathLike[str] = ".",
    output_format: str | None = None,
    *,
    subpath: str | None = None,
    protocol: str | None = None,
    user: str | None = None,
    passwd: str | None = None,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    parents: bool = False,
    progress: Progress | None = None,
    store: ModelStore | None = None,
) -> str:
    """Write one version as one archive or folder.

    Streams: holds no more than some MiB in memory and makes no second copy on disk. Two exports of one version are the same
    bytes. What was written before an error does not stay.

    Args:
        tag: which version.
        path: a file, an existing folder, or a URL that fsspec opens. In a folder, or under a path or URL that ends in
            "/", the archive is called `<name>-<version>.tiffin`.
        output_format: "tiffin" (tar and zstd), "tar", "tar.zst", "tar.gz", "tar.xz", "zip" or "folder"; default: by the
            path's ending, "tiffin" where it has none.
        subpath, protocol, user, passwd: parts of a URL, where `path` is not one.
        params: options of the fsspec file system of a URL.
        force: whether a file that exists is replaced.
        parents: whether missing folders above a local path are made; on servers they are, always.
        progress: told how far it is.
        store: another store than the default one.

    Returns:
        The path or URL of what was written.

    Raises:
        ModelNotFoundError: there is no such version.
        RecordError: its record was edited by hand and is not accepted.
        ArchiveError: it cannot be written, its ending is no format's; or a file of the model is not what was saved.
    """
    from tiffin.archives import export_model

    return export_model(
        tag,
        path,
        output_format,
        subpath=subpath,
        protocol=protocol,
        user=user,
        passwd=passwd,
        params=params,
        force=force,
        parents=parents,
        progress=progress,
        store=store or default_store(),
    )


def import_model(
    path: str | os.PathLike[str],
    input_format: str | None = None,
    *,
    name: str | Tag | None = None,
    subpath: str | None = None,
    protocol: str | None = None,
    user: str | None = None,
    passwd: str | None = None,
    params: Mapping[str, Any] | None = None,
    force: bool = False,
    as_files: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    store: ModelStore | None = None,
) -> Model:
    """Read one archive or folder that `export_model` wrote, or a tool that a plugin reads, and store it as a version.

    Streams: holds no more than some MiB in memory and makes no second copy on disk. Everything is checked before the
    version is published; an error leaves the store as it was.

    Args:
        path: a file, a folder, or a URL that fsspec opens.
        input_format: not needed, archives are known by their first bytes; refused only where it is none that is read.
        name: another name, or `name:version`, to store it under.
        subpath, protocol, user, passwd: parts of a URL, where `path` is not one.
        params: options of the fsspec file system.
        force: whether a version that exists is replaced, in one step.
        as_files: whether another tool's model becomes a raw folder of files, which no adapter has to know.
        limits: how much the archive may unpack to.
        progress: told how far it is.
        store: another store than the default one.

    Returns:
        A handle on the new version.

    Raises:
        UnsafeArchiveError: a member of the archive was refused; it is named.
        DamagedArchiveError: the archive is cut off or damaged, or holds other content than its record says.
        ForeignModelError: another tool wrote it, and no installed plugin knows it, no adapter reads it, or it has no name.
        ArchiveError: it cannot be read.
        ModelExistsError: the version exists, and `force` is false.
        StorageFullError, ReadOnlyStoreError: the store's disk refused.

    Warns:
        NotKeptWarning: another tool wrote it, and some of what it said is not kept; or there are files of Finder or Explorer,
            which are passed over.
    """
    from tiffin.archives import import_model

    return import_model(
        path,
        input_format,
        name=name,
        subpath=subpath,
        protocol=protocol,
        user=user,
        passwd=passwd,
        params=params,
        force=force,
        as_files=as_files,
        limits=limits,
        progress=progress,
        store=store or default_store(),
    )


def import_all(
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    as_files: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    store: ModelStore | None = None,
) -> ImportReport:
    """Import each model below a folder that is a folder itself, as a store of another tool has them. Links are not followed.

    A model that cannot be imported is left, with the reason, and the next one is looked at.

    Args:
        folder: where to look, at any depth.
        force, as_files, limits, progress: as for one model, see `import_model`; limits count for each.
        store: another store than the default one.

    Returns:
        What came, what was lost of it, and what was left.

    Raises:
        ArchiveError: it is no folder, or holds no model that an installed plugin knows.
        StorageFullError, ReadOnlyStoreError: the store's disk refused; what came before stays.
    """
    from tiffin.archives import import_all

    return import_all(
        folder, force=force, as_files=as_files, limits=limits, progress=progress, store=store or default_store()
    )


def push(
    tag: str | Tag | Model,
    remote: str | Remote | None = None,
    *,
    aliases: bool = False,
    force: bool = False,
    params: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    store: ModelStore | None = None,
) -> Pushed:
    """Send one version to a remote, where others can pull it. What is there already does not travel.

    The version is visible there once all of it is there. Signatures travel with it. Of a version that is there already,
    labels and metadata become those of this store.

    Args:
        tag: which version.
        remote: a URL ("s3://bucket/models", "oci://registry/team", …), the path of a folder (with a "/"), or the name of a
            remote in config.toml; `None` stands for the default remote.
        aliases: whether the aliases of the version are set there, too.
        force: whether another model of the same version is replaced there.
        params: options of the remote's driver, beside those of config.toml.
        progress: told how far it is.
        store: another store than the default one.

    Returns:
        What was sent.

    Raises:
        ModelNotFoundError: there is no such version.
        RecordError: its record was edited by hand and is not accepted.
        StoreError: a file of it is not what was saved.
        ModelExistsError: another model has the version there, and `force` is false.
        TransferError: the remote refuses, or cannot be reached.
        ConfigError: there is no remote of the name, or no default.
    """
    from tiffin.remotes import connected, push

    with connected(remote, params) as place:
        return push(store or default_store(), tag, place, aliases=aliases, force=force, progress=progress)


def pull(
    tag: str | Tag,
    remote: str | Remote | None = None,
    *,
    name: str | Tag | None = None,
    aliases: bool = False,
    force: bool = False,
    params: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    store: ModelStore | None = None,
) -> Model:
    """Fetch one version from a remote, and store it. Contents that the store has already do not travel.

    Everything is compared with its digest before the version is published. An error leaves the store as it was; what has
    come of large files is kept for a week, so that the next pull goes on from there.

    Args:
        tag: `name` for the newest there, `name:version`, `name:alias`, or a unique beginning of a version; or all in one,
            "URL/name:version".
        remote: as for `push`.
        name: another name, or `name:version`, to store it under.
        aliases: whether the aliases that it has there are set here, too.
        force: whether another model of the same version is replaced here.
        params: options of the remote's driver, beside those of config.toml.
        limits: how much the archives that other tools put into registries may unpack to.
        progress: told how far it is.
        store: another store than the default one.

    Returns:
        A handle on the version. It is not trusted: see `tiffin.Model.load`.

    Raises:
        ModelNotFoundError: there is no such version on the remote.
        ModelExistsError: another model has the version here, and `force` is false.
        RemoteDamagedError: a content there is not what its digest says.
        TransferError: the remote refuses, or cannot be reached.
        ConfigError: there is no remote of the name, or no default.
        StorageFullError, ReadOnlyStoreError: the store's disk refused.
    """
    from tiffin.remotes import connected, pull, split_reference

    if remote is None and isinstance(tag, str):
        remote, tag = split_reference(tag)
    with connected(remote, params) as place:
        return pull(
            store or default_store(),
            tag,
            place,
            name=name,
            aliases=aliases,
            force=force,
            limits=limits,
            progress=progress,
        )


def list_remote(
    remote: str | Remote | None = None,
    tag: str | Tag | None = None,
    *,
    labels: Mapping[str, str | None] | None = None,
    framework: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> builtins.list[ModelInfo]:
    """Return the records of the versions on a remote, by name, newest first. Fetches no model.

    Args:
        remote: as for `push`.
        tag: only this name's; with a version, only what it means there.
        labels: only those with all these labels; a value of `None` stands for any value.
        framework: only those that this adapter saved.
        params: options of the remote's driver, beside those of config.toml.

    Raises:
        ModelNotFoundError: the name, or the version, that `tag` means is not there.
        TransferError: the remote refuses, cannot be reached, or cannot list all its names.
        ConfigError: there is no remote of the name, or no default.
    """
    from tiffin.remotes import connected, list_remote

    with connected(remote, params) as place:
        return list_remote(place, tag, labels=labels, framework=framework)

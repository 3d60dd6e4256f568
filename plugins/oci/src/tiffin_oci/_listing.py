"""What a registry has: names by its catalog, versions and aliases by the tags of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tiffin.exceptions import RemoteDeniedError, TransferError
from tiffin.tags import LATEST, is_part
from tiffin_oci._client import Client
from tiffin_oci._manifests import get_manifest, pages, tags
from tiffin_oci._reference import Place

_CATALOG = ("registry:catalog:*",)


class Tags(NamedTuple):
    """The tags of one repository: versions, and alias → version."""

    versions: list[str]
    aliases: Mapping[str, str]


def list_tags(client: Client, repository: str, threads: int, *, push: bool = False) -> Tags:
    """Return what the tags of a repository stand for: each manifest says which version it is.

    Args:
        client: the registry.
        repository: the repository.
        threads: how many manifests are asked for at once.
        push: whether this is a part of a push.
    """
    # What begins so refers to a manifest: lists of signatures, and those of older tools.
    names = sorted(tag for tag in tags(client, repository) if not tag.startswith("sha256-"))
    with ThreadPoolExecutor(max(1, min(threads, len(names))), "tiffin-tags") as pool:
        found = dict(zip(names, pool.map(lambda tag: _look(client, repository, tag, push=push), names), strict=True))
    versions: list[str] = []
    aliases: dict[str, str] = {}
    for tag, manifest in found.items():
        if manifest is None:
            continue
        if manifest.version in (None, tag):
            versions.append(tag)
        elif manifest.version in found and is_part(tag) and tag != LATEST:
            aliases[tag] = manifest.version
    named = {found[tag].digest for tag in versions if tag != LATEST}  # type: ignore[union-attr]  # those are there
    latest = found.get(LATEST)
    if latest is not None and latest.version is None and latest.digest in named:
        versions.remove(LATEST)  # many tools set it beside the real version; here it is computed
    return Tags(versions, aliases)


class _Tagged(NamedTuple):
    """What a tag means. Not the manifest: a thousand of them may be gigabytes."""

    version: str | None
    digest: str


def _look(client: Client, repository: str, tag: str, *, push: bool) -> _Tagged | None:
    try:
        manifest = get_manifest(client, repository, tag, push=push)
        return None if manifest is None else _Tagged(manifest.version, manifest.digest)
    except RemoteDeniedError:
        raise
    except TransferError as error:
        if isinstance(error, ConnectionError):
            raise
        return None  # of a kind that is not read, or damaged: it is named when it is asked for


def list_names(client: Client, place: Place) -> list[str]:
    """Return the names of the models below a namespace.

    Raises:
        TransferError: the registry has no catalog, or shows it to nobody.
    """
    found: set[str] = set()
    asked = False
    try:
        for page in pages(client, "/v2/_catalog", "list the repositories", _CATALOG):
            asked = True
            repositories = page.get("repositories")
            for repository in repositories if isinstance(repositories, list) else ():
                name = place.name_of(repository) if isinstance(repository, str) else None
                if name is not None and is_part(name):
                    found.add(name)
    except TransferError as error:
        if isinstance(error, ConnectionError):
            raise
        raise _no_catalog(place, error) from error
    if not asked:
        raise _no_catalog(place, None)
    return sorted(found)


def _no_catalog(place: Place, error: TransferError | None) -> TransferError:
    return TransferError(
        f"The registry of {place.url} does not tell which models it has",
        why="Registries that many people share show no list of all" if error is None else error.what,
        fix="Name the model: its versions can be listed",
        url=place.url,
    )

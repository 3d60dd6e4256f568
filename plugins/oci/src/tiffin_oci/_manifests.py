"""Getting and putting manifests and tag lists (OCI distribution specification 1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tiffin.exceptions import RemoteDamagedError, TransferError
from tiffin_oci import _media_types as types
from tiffin_oci._blobs import Download, Upload, exists, pulling, pushing
from tiffin_oci._client import Client
from tiffin_oci._errors import clip
from tiffin_oci._manifest import Blob, digest_of
from tiffin_oci._reading import Manifest, damaged, read_json
from tiffin_oci._reference import is_digest, is_tag

MAX_PAGES = 1000
MAX_LISTED = 16 << 20
"""Bytes of all pages of one list: some hundred thousand tags."""
PAGE = 1000
"""Entries that are asked for at a time."""
_ACCEPT = ", ".join((types.MANIFEST, types.INDEX, types.DOCKER_MANIFEST, types.DOCKER_INDEX))
_INDEXES = (types.INDEX, types.DOCKER_INDEX)


def get_manifest(client: Client, repository: str, reference: str, *, push: bool = False) -> Manifest | None:
    """Return a manifest by tag or digest; `None` if it is not there.

    Raises:
        RemoteDamagedError: it is not what its digest says, or not a manifest.
    """
    colon = "@" if ":" in reference else ":"
    where = f"{repository}{colon}{reference} on {client.url}"
    reply = client.request(
        "GET",
        f"/v2/{repository}/manifests/{reference}",
        f"read {repository}{colon}{reference}",
        scopes=pushing(repository) if push else pulling(repository),
        headers={"Accept": _ACCEPT},
        ok=(200, 404),
    )
    if reply.status == 404:
        return None
    digest = digest_of(reply.body)
    for stated in (reply.headers.get("Docker-Content-Digest"), reference if ":" in reference else None):
        if stated is not None and is_digest(stated) and stated != digest:
            raise RemoteDamagedError(
                f"{where} is not what its digest says: it should be {stated}, and is {digest}",
                why="It is damaged there or on its way, or somebody changed it; nothing of it was taken",
                fix="Try again; if it stays so, tell whoever runs the registry",
                url=client.url,
            )
    data = read_json(reply.body, where, client.url)
    media_type = (reply.headers.get("Content-Type") or "").partition(";")[0].strip()
    stated = data.get("mediaType")
    if isinstance(stated, str) and stated != media_type:
        # Two readers would take it for two things.
        if media_type in (*_INDEXES, types.MANIFEST, types.DOCKER_MANIFEST):
            raise damaged(
                f"{where} says that it is {clip(stated)}, and the registry that it is {media_type}", client.url
            )
        media_type = stated
    if media_type not in (*_INDEXES, types.MANIFEST, types.DOCKER_MANIFEST):
        raise TransferError(f"{where} is of a kind that is not read: {clip(media_type) or 'unknown'}", url=client.url)
    return Manifest(digest, media_type, reply.body, data, where, client.url)


def is_index(manifest: Manifest) -> bool:
    """Tell whether a manifest is a list of others."""
    return manifest.media_type in _INDEXES


def put_manifest(client: Client, repository: str, reference: str, manifest: Blob) -> Any:
    """Put a manifest under a tag or its digest; returns the answer's headers."""
    return client.request(
        "PUT",
        f"/v2/{repository}/manifests/{reference}",
        f"publish {reference} in {repository}",
        scopes=pushing(repository),
        headers={"Content-Type": manifest.media_type},
        body=manifest.data,
        ok=(200, 201, 202),
    ).headers


def put_blob(client: Client, repository: str, blob: Blob) -> None:
    """Send a blob that is held in memory, unless it is there."""
    import contextlib
    import io

    if not exists(client, repository, blob.digest, push=True):
        upload = Upload(client, repository, blob.digest, len(blob.data))
        upload.run(lambda: contextlib.closing(io.BytesIO(blob.data)))


def read_blob(client: Client, repository: str, sha256: str, size: int, limit: int, what: str) -> bytes:
    """Return a small blob, compared with its digest.

    Raises:
        RemoteDamagedError: it is larger than `limit`, or not what its digest says.
    """
    if size > limit:
        raise damaged(f"{what} on {client.url} has {size} bytes; no more than {limit} are read", client.url)
    waiting = client.waiting()
    while True:
        try:
            with Download(client, repository, f"sha256:{sha256}", size, 0) as source:
                data = bytearray()
                while piece := source.read(size - len(data)):
                    data += piece
            break
        except ConnectionError:
            if not waiting.again():
                raise
    if digest_of(bytes(data)) != f"sha256:{sha256}":
        raise damaged(f"{what} on {client.url} is not what its digest says", client.url)
    return bytes(data)


def tags(client: Client, repository: str) -> list[str]:
    """Return all tags of a repository, in any order; none if there is no such repository."""
    found: dict[str, None] = {}
    path = f"/v2/{repository}/tags/list"
    for page in pages(client, path, f"list the tags of {repository}", pulling(repository)):
        listed = page.get("tags")
        known = listed if isinstance(listed, list) else []  # null where there are none
        found.update(dict.fromkeys(tag for tag in known if isinstance(tag, str) and is_tag(tag)))
    return list(found)


def pages(client: Client, path: str, what: str, scopes: tuple[str, ...]) -> Iterator[Any]:
    """Yield the JSON objects of a list that comes in pages; none where there is no such list (404).

    Raises:
        TransferError: it does not end.
    """
    url = f"{path}?n={PAGE}"
    seen: set[str] = set()
    room = MAX_LISTED
    while len(seen) < MAX_PAGES and url not in seen:
        seen.add(url)
        reply = client.request("GET", url, what, scopes=scopes, ok=(200, 404))
        if reply.status == 404:
            return
        room -= len(reply.body)
        if room < 0:
            break
        yield read_json(reply.body, f"What {client.url} answers ({what})", client.url)
        following = next_page(reply.headers.get_all("Link") or [])
        if following is None:
            return
        url = client.next_url(reply.url, following, what)
        if not client.is_own(url):
            raise TransferError(
                f"The registry of {client.url} continues a list at {clip(urlsplit(url).netloc)!r}", url=client.url
            )
    raise TransferError(
        f"The registry of {client.url} gives a list that does not end ({what})",
        why=f"No more than {MAX_PAGES} different pages and {MAX_LISTED >> 20} MiB are read",
        fix="Tell whoever runs the registry",
        url=client.url,
    )


def next_page(links: list[str]) -> str | None:
    """Return the target of the Link header (RFC 8288) that is `rel="next"`."""
    for header in links:
        for target, parameters in re.findall(r"<([^<>]{1,4096})>([^<]{0,4096})", header[:16384]):
            if re.search(r";\s{0,9}rel\s{0,9}=\s{0,9}\"?next\b", parameters, re.IGNORECASE):
                return str(target)
    return None

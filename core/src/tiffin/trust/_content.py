"""What the store knows of a content, and whether the files are that content."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tiffin.exceptions import StoreError
from tiffin.files import digest_file
from tiffin.origin import Origin

if TYPE_CHECKING:
    from tiffin.info import ModelInfo


class TrustSource(Protocol):
    """What trust asks of the store."""

    def origin(self, content_digest: str) -> Origin | None:
        """Return the origin record of a content; raises StoreError where it is damaged."""

    def record_trust(self, content_digest: str, how: str) -> None:
        """Note that a content is trusted."""

    def attestations(self, content_digest: str) -> list[bytes]:
        """Return the attestations of a content; what they prove is not looked at."""

    def blob(self, sha256: str) -> str:
        """Return the path of the blob with this digest; it need not exist."""


def origin_of(source: TrustSource, info: ModelInfo) -> tuple[str, Origin | None, str]:
    """Return a version's content digest, its origin record, and why that cannot be read.

    The digest is computed, not read: a record may say that its content is another one's.
    """
    digest = info.compute_digest()
    try:
        return digest, source.origin(digest), ""
    except StoreError as error:
        return digest, None, str(error)  # what says nothing certain grants nothing


def changed_file(source: TrustSource, path: Path, info: ModelInfo, files: list[str]) -> tuple[str, str] | None:
    """Return the first file that is not what the record lists, and how so; `None` where all are.

    Trust is given to contents, and a folder that was copied in may hold others than its record says.
    """
    for file in files:
        entry = info.files.get(file)
        if entry is None:
            return file, "The record does not list it"
        status = (path / file).lstat()
        try:
            blob = Path(source.blob(entry.sha256)).stat()
        except OSError:
            blob = None
        if blob is not None and (blob.st_dev, blob.st_ino) == (status.st_dev, status.st_ino):
            continue  # the file is the blob of its digest, which this store made
        state = (status.st_size, status.st_mtime_ns, status.st_ino)
        if (path / file).is_symlink() or _digest(str(path / file), *state) != entry.sha256:
            return file, "Its content is not what the record says"
    return None


@lru_cache(maxsize=1024)
def _digest(path: str, *_state: int) -> str:
    return digest_file(path).sha256

"""What a remote is: the few operations that push, pull and listing need of a place, whatever protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

import attrs


class Source(Protocol):
    """Bytes to be read once, from front to back."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, at least one until the end; `b""` at the end."""


Opener: TypeAlias = Callable[[], AbstractContextManager[Source]]
"""Opens a content that is to be sent; may be called again where sending has to start anew."""


@attrs.frozen(kw_only=True)
class Content:
    """One content of a version on a remote.

    Attributes:
        sha256: the digest of its bytes, 64 hexadecimal digits.
        size: bytes.
        path: the file's path in the version, with "/"; empty for an archive.
        archive: how its bytes are packed where it is an archive of several files: "tar", "tar.gz" or "tar.zst"; empty for
            a plain file.
    """

    sha256: str
    size: int
    path: str = ""
    archive: str = ""


@attrs.frozen(kw_only=True)
class RemoteVersion:
    """One version on a remote.

    Attributes:
        name: the model's name.
        version: the version.
        record: model.yaml as Tiffin wrote it; `None` for what another tool put there.
        contents: the contents of what another tool put there; not used where there is a record, which lists its files.
        labels: what another tool says of it, as strings to search by.
        metadata: what another tool says of it, as plain values.
        key: what the remote knows the version by (a manifest's digest, say), for its own use.
    """

    name: str
    version: str
    record: bytes | None
    contents: Sequence[Content] = ()
    labels: Mapping[str, str] = attrs.field(factory=dict)
    metadata: Mapping[str, Any] = attrs.field(factory=dict)
    key: Any = None


class Remote(Protocol):
    """A place that holds versions of models; what a plugin's `remotes` hook makes of a URL.

    The contents of versions are known by their sha256, so that one which is there already need not be sent. A version is
    visible once `publish` returns, whole: contents go first, the record last. Core compares the digests of all that it
    reads; a remote need not.

    `has`, `send` and `open` are called from `threads` threads at once, everything else from one. All may raise
    `TransferError` and what stands below it: `RemoteUnreachableError` for what may go well when it is tried again (a broken
    connection, a busy server), `RemoteDeniedError` where credentials are missing or not enough. Tries of their own are
    bounded. Messages show no password and no token.
    """

    @property
    def url(self) -> str:
        """The remote's URL as it may be shown and recorded: without secrets."""

    @property
    def threads(self) -> int:
        """How many contents may travel at once, 1 or more."""

    def names(self) -> Iterable[str]:
        """Return the names of the models there, in any order.

        Raises:
            TransferError: the remote cannot tell.
        """

    def versions(self, name: str) -> Iterable[str]:
        """Return the versions of a name, in any order, aliases left out; none for a name that is not there."""

    def aliases(self, name: str) -> Mapping[str, str]:
        """Return alias → version of a name."""

    def find(self, name: str, version: str) -> RemoteVersion | None:
        """Return a version, named in full, with its record; `None` if it is not there.

        A remote that learns in the same step what an alias means may be asked for that, too: what it returns then is the
        version, under its own name.
        """

    def prepare(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        """Refuse at once, before anything is sent, what `publish` would refuse at the end.

        Called once per push, before `has` and `send`, with what `publish` will be called with. A remote that cannot tell
        before does nothing.

        Raises:
            ModelExistsError: the version exists, and `force` is false.
            TransferError: the remote cannot hold such a version: its name, or the number of its files.
        """

    def has(self, name: str, sha256: str, size: int) -> bool:
        """Tell whether a content need not be sent; may make it so, by linking what another model of the remote has."""

    def send(self, name: str, sha256: str, size: int, source: Opener) -> None:
        """Store a content. Whoever sends the same content at the same moment does no harm.

        `source` raises in its `read` where the content is not what its digest says; then nothing may remain of it.
        """

    def publish(self, name: str, version: str, record: bytes, contents: Sequence[Content], *, force: bool) -> None:
        """Make a version visible whose contents are all there.

        Args:
            name: the model's name.
            version: the version.
            record: model.yaml.
            contents: its files, by path.
            force: whether a version that exists is replaced.

        Raises:
            ModelExistsError: the version exists, and `force` is false. Where the remote can tell so in the same step in
                which it writes, two who publish the same version at the same moment cannot both succeed.
        """

    def open(self, version: RemoteVersion, content: Content, offset: int) -> AbstractContextManager[Source]:
        """Open a content of a version for reading.

        Args:
            version: the version, as `find` gave it.
            content: which of its contents, or of the files of its record.
            offset: bytes to leave out at the front: those that came before a connection broke.
        """

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias mean a version that is there."""

    def attestations(self, version: RemoteVersion) -> Sequence[bytes]:
        """Return the attestations of a version: who vouches for it, in whatever format."""

    def add_attestation(self, version: RemoteVersion, data: bytes) -> None:
        """Keep an attestation of a version beside it; one that is there already is not added again."""

    def examples(self, version: RemoteVersion) -> bytes | None:
        """Return the file of a version's examples, `None` where there is none; at most `tiffin.info.MAX_EXAMPLES` bytes.

        A remote that keeps none may lack this method and the next one.
        """

    def set_examples(self, version: RemoteVersion, data: bytes) -> None:
        """Keep the file of a version's examples beside it, in place of the one that is there."""

    def close(self) -> None:
        """Close connections. Called once, at the end."""


Connector: TypeAlias = Callable[[str, Mapping[str, Any]], Remote]
"""Makes a remote of a URL and of options (credentials, timeouts, …) that its scheme knows; connects when needed."""

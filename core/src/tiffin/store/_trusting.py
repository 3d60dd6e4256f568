"""Trusting: how the store got its contents, and which of them are trusted."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import PluginWarning, ReadOnlyStoreError, StorageFullError
from tiffin.origin import signer
from tiffin.store._finding import Finder

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.model import Model
    from tiffin.tags import Tag
    from tiffin.trust import TrustReport


class Trusting(Finder):
    """The part of a store that knows origins; see `ModelStore`."""

    def changing(self) -> AbstractContextManager[str]:
        """Give a staging folder for a change."""
        raise NotImplementedError  # `ModelStore` has it: changes stand above what only finds and trusts

    # -- what handles ask ----------------------------------------------------------------------------------------------

    def origin(self, content_digest: str) -> Mapping[str, Any] | None:
        """Return how the store got a content, `None` where that is not known.

        Raises:
            StoreError: the note is damaged.
        """
        from tiffin.store import _origins

        return _origins.read(self.layout, content_digest)

    def record_trust(self, content_digest: str, how: str) -> None:
        """Note that a content is trusted by who runs this program; a store that may not be written to notes nothing."""
        with contextlib.suppress(ReadOnlyStoreError, StorageFullError):
            self.set_trust(content_digest, {"kind": "hand", "by": signer(), "how": how})

    def blob(self, sha256: str) -> str:
        """Return the path of the blob with this digest; it need not exist."""
        return self.layout.blob(sha256)

    def attestations(self, content_digest: str) -> list[bytes]:
        """Return the attestations of a content, always in the same order. What they prove is not looked at."""
        from tiffin.store import _attestations

        return _attestations.read_all(self.layout, content_digest)

    # -- attestations --------------------------------------------------------------------------------------------------

    def add_attestation(self, info: ModelInfo, data: bytes, *, path: str = "This") -> bool:
        """Keep an attestation of a model's content. What it proves is not looked at, but that it is about this content.

        Args:
            info: the model's record; the version need not be in the store yet.
            data: the attestation, in a format that an installed plugin knows, or in any.
            path: where it is from, for errors.

        Returns:
            Whether it is new here.

        Raises:
            BadSignatureError: it is malformed, or is about other content.
            TooManySignaturesError: the content has as many attestations as are kept (`tiffin.info.MAX_ATTESTATIONS`).
            ReadOnlyStoreError, StorageFullError: it cannot be kept.

        Warns:
            PluginWarning: no installed plugin can tell what it is about; it is kept all the same.
        """
        from tiffin.plugins import check_attestation
        from tiffin.store import _attestations

        checked = check_attestation(info, data, path)
        with self.changing() as folder:
            new = _attestations.add(self.layout, folder, info.compute_digest(), data)
        if not checked:
            warnings.warn(
                f"{path} was kept unchecked: no installed plugin can tell whether it vouches for model '{info.tag}'. "
                "Signatures are checked by the extra: pip install 'tiffin[signing]'",
                PluginWarning,
                stacklevel=4,
            )
        return new

    signatures = attestations
    """The name that `attestations` had before."""
    add_signature = add_attestation
    """The name that `add_attestation` had before."""

    # -- trust ---------------------------------------------------------------------------------------------------------

    def inspect(self, tag: str | Tag) -> TrustReport:
        """Return what a version's files would import, and whether it may be loaded; loads nothing.

        Raises:
            ModelNotFoundError, AmbiguousTagError, RecordError: the tag means no valid version.
        """
        from tiffin.trust import report

        model = self.get(tag)
        return report(self, model.path, model.info)

    def trust(self, tag: str | Tag, *, how: str = "tiffin.models.trust") -> Model:
        """Let a version from elsewhere be loaded, whatever code it runs. Holds for its content, under every tag.

        Args:
            tag: which version.
            how: by which command or call, for the record.

        Raises:
            ModelNotFoundError: there is no such version.
            UntrustedModelError: its files are not those that its record lists, so it cannot be told what is trusted.
            ReadOnlyStoreError: trust cannot be noted.
        """
        from tiffin.trust import check_content

        model = self.get(tag)
        check_content(self, model.path, model.info)
        self.set_trust(model.info.compute_digest(), {"kind": "hand", "by": signer(), "how": how})
        return model

    def untrust(self, tag: str | Tag) -> Model:
        """Take back what `trust` gave. What was saved here is trusted all the same.

        Raises:
            ModelNotFoundError: there is no such version.
        """
        model = self.get(tag)
        self.set_trust(model.info.compute_digest(), None)
        return model

    def set_trust(self, content_digest: str, trusted: Mapping[str, str] | None) -> None:
        """Note that a content is trusted, or no longer.

        Args:
            content_digest: the digest of a version's content, computed and not only read.
            trusted: `kind` ("hand"), `by` whom and `how`; `None` takes trust back.

        Raises:
            ReadOnlyStoreError, StorageFullError: it cannot be noted.
        """
        from tiffin.store import _origins

        with self.changing() as folder:
            _origins.set_trust(self.layout, folder, content_digest, trusted)

"""Trusting: how the store got its contents, and which of them are trusted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tiffin.exceptions import ReadOnlyStoreError, StorageFullError
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

    def signatures(self, content_digest: str) -> list[bytes]:
        """Return the signatures of a content, as bundles, always in the same order. Verifies none of them."""
        from tiffin.store import _attestations as _signatures

        return _signatures.read_all(self.layout, content_digest)

    # -- signatures ----------------------------------------------------------------------------------------------------

    def add_signature(self, info: ModelInfo, bundle: bytes, *, path: str = "This") -> bool:
        """Keep a signature of a model's content. Verifies nothing but that it is about this content.

        Args:
            info: the model's record; the version need not be in the store yet.
            bundle: the signature, a Sigstore bundle.
            path: where it is from, for errors.

        Returns:
            Whether it is new here.

        Raises:
            BadSignatureError: it is malformed, or is about other content.
            TooManySignaturesError: the content has as many signatures as are kept (`tiffin.signing.MAX_SIGNATURES`).
            ReadOnlyStoreError, StorageFullError: it cannot be kept.
        """
        from tiffin.signing import check_fits
        from tiffin.store import _attestations as _signatures

        check_fits(info, bundle, path)
        with self.changing() as folder:
            return _signatures.add(self.layout, folder, info.compute_digest(), bundle)

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

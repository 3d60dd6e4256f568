"""Signatures as trust: what those of a content prove, with the keys that are trusted for its name now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tiffin.config import config_path, trusted_keys
from tiffin.exceptions import ConfigError, SigningError, SigningNotInstalledError
from tiffin.trust._content import TrustSource

if TYPE_CHECKING:
    from tiffin.info import ModelInfo
    from tiffin.signing import PublicKey, SignatureCheck

SIGNATURE_POLICIES = ("ask", "allow-listed")
"""The trust policies under which a signature counts."""


@attrs.frozen
class Signed:
    """What the signatures of a model prove.

    Attributes:
        checks: each signature's, good ones first.
        problem: why they cannot be verified; empty where they can.
        fix: what to do about that.
    """

    checks: tuple[SignatureCheck, ...] = ()
    problem: str = ""
    fix: str = ""

    @property
    def is_good(self) -> bool:
        """Whether a key that is trusted for the model's name vouches for all of its content."""
        return any(check.result == "good" for check in self.checks)


def keys_for(name: str) -> list[PublicKey]:
    """Return the keys that are trusted for models of a name.

    Raises:
        ConfigError: the settings, or a key that they name, cannot be used.
        SigningNotInstalledError: there are such keys, and the extra `signing` is not installed.
    """
    from tiffin.signing import read_public_key

    keys = []
    for trusted in trusted_keys():
        if trusted.is_for(name):
            try:
                keys.append(read_public_key(trusted.path))
            except SigningNotInstalledError:
                raise
            except SigningError as error:
                path = str(config_path())
                raise ConfigError(
                    f"A key in {path}, under [[trust.keys]], cannot be used: {error.what}",
                    why=f"Whether '{name}' is trusted cannot be told without it",
                    fix="Mend or remove the entry",
                    path=path,
                ) from error
    return keys


def signed(source: TrustSource, path: Path, info: ModelInfo, content_digest: str) -> Signed:
    """Return what the signatures of a model prove, with the keys that are trusted for its name.

    Looks at the signatures and the settings each time: a key that is removed from them counts no longer.

    Args:
        source: the store.
        path: the version's folder.
        info: its record.
        content_digest: of its content, computed.

    Raises:
        ConfigError: the settings, or a key that they name, cannot be used.
    """
    bundles = source.signatures(content_digest)
    if not bundles:
        return Signed()
    from tiffin.signing import verify

    try:
        keys = keys_for(info.name)
    except SigningNotInstalledError as error:
        return Signed(tuple(verify(bundles, info, path, ())), error.what, error.fix)
    return Signed(tuple(verify(bundles, info, path, keys)))

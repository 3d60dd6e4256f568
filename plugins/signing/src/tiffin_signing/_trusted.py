"""The keys that are trusted, as config.toml names them."""

from __future__ import annotations

from tiffin.config import config_path, trusted_keys
from tiffin.exceptions import ConfigError, SigningError, SigningNotInstalledError
from tiffin_signing._keys import PublicKey, read_public_key


def keys_for(name: str) -> list[PublicKey]:
    """Return the keys that are trusted for models of a name.

    Raises:
        ConfigError: the settings, or a key that they name, cannot be used.
        SigningNotInstalledError: there are such keys, and the package `cryptography` does not import.
    """
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

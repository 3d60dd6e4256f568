"""SFTP with hosts that are known: fsspec's driver accepts any host's key, so whoever stands between could be the host."""

from __future__ import annotations

from typing import Any

from tiffin.exceptions import ArchiveError
from tiffin.places._urls import redact

UNKNOWN = "accept_unknown_hosts"
"""The option that lets hosts be spoken to whose key is not known; a key that is known and another one is refused always."""


def sftp_file_system(path: str, options: dict[str, Any]) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the name in it.

    Args:
        path: the URL.
        options: options of the driver, and `accept_unknown_hosts`.

    Raises:
        ArchiveError: the host's key is not among those that ssh knows, or is another one.
    """
    import paramiko
    from fsspec.implementations.sftp import SFTPFileSystem

    accept = options.pop(UNKNOWN, False) is True

    class KnownHosts(SFTPFileSystem):  # type: ignore[misc]  # without types, as what follows
        def _connect(self) -> None:
            self.client = paramiko.SSHClient()
            self.client.load_system_host_keys()
            self.client.set_missing_host_key_policy(_Accept() if accept else _Refuse(path))
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()

    class _Accept(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            pass

    class _Refuse(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def __init__(self, url: str) -> None:
            self._url = redact(url)

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            raise ArchiveError(
                f"The host of {self._url} is not known to ssh: its key is {key.get_name()} {key.fingerprint}",
                why="Another host could stand in for it, see what is sent and change what comes",
                fix=f"Connect to it once with ssh, and compare the key; or allow it: {UNKNOWN}=true",
                path=self._url,
                member="",
            )

    try:
        system = KnownHosts(**{**KnownHosts._get_kwargs_from_urls(path), **options})
    except paramiko.BadHostKeyException as error:
        raise ArchiveError(
            f"The host of {redact(path)} has another key than ssh knows of it",
            why="Another host may stand in for it",
            fix=f"If its key was changed on purpose: ssh-keygen -R {error.hostname!r}, and connect to it once with ssh",
            path=redact(path),
            member="",
        ) from error
    return system, KnownHosts._strip_protocol(path)

"""From a URL, or the name of a remote, to the remote itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.config import config_path
from tiffin.exceptions import ConfigError, HookError, TransferError
from tiffin.hints import install_hint
from tiffin.places import is_url, redact
from tiffin.remotes._errors import unused_options
from tiffin.remotes._folder import FolderRemote
from tiffin.remotes._interface import Connector, Remote
from tiffin.remotes._settings import check_place, default_remote, named_remotes, unknown_remote


@contextlib.contextmanager
def connected(remote: str | Remote | None, options: Mapping[str, Any] | None = None) -> Iterator[Remote]:
    """Give the remote that is meant, and close it at the end of the block.

    Args:
        remote: a URL, the path of a folder (with a "/"), the name of a remote in config.toml, or a remote; `None` stands
            for the default one.
        options: options of its driver, beside those of config.toml.

    Raises:
        ConfigError: there is no remote of the name, or no default.
        TransferError: nothing serves such URLs, the driver is missing, or there are options that nobody reads.
    """
    if remote is not None and not isinstance(remote, str):
        if options:
            raise unused_options(remote.url, options, "The remote is made already, with options of its own")
        yield remote
        return
    url, given = locate(remote)
    made = _connect(url, {**given, **(options or {})})
    try:
        yield made
    finally:
        made.close()


def locate(remote: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the URL, or path, and the options that a remote's name or URL stands for.

    Raises:
        ConfigError: there is no remote of the name, or no default; or it is a URL that lacks its "//".
    """
    if remote is None:
        remote = default_remote()
        if remote is None:
            names = [known.name for known in named_remotes()]
            raise ConfigError(
                "No remote was named, and there is no default one",
                why=f"config.toml has {', '.join(names)}" if names else "config.toml has none",
                fix="Name one, or make one the default: tiffin remotes add NAME URL --default",
                path=str(config_path()),
            )
    check_place(remote)
    if is_url(remote) or "/" in remote or remote in (".", ".."):
        return remote, {}
    known = named_remotes()
    for found in known:
        if found.name == remote:
            return found.url, found.options
    raise unknown_remote(remote, [found.name for found in known])


def split_reference(text: str) -> tuple[str | None, str]:
    """Return remote and tag of `URL/name:version`; no remote where `text` is a tag."""
    if "/" not in text:
        return None, text
    remote, _, tag = text.rpartition("/")
    return remote, tag


def _connect(url: str, options: Mapping[str, Any]) -> Remote:
    scheme = url.split("://", 1)[0] if is_url(url) else "file"
    if not url or not scheme:
        raise TransferError(
            f"{redact(url)!r} is no URL of a remote", fix="Write s3://…, file:///…, or a path", url=redact(url)
        )
    connector = _connectors().get(scheme)
    if connector is not None:
        remote: Remote = connector(url, options)
        return remote
    if hint := install_hint(scheme, "remotes"):
        raise TransferError(
            f"Nothing serves {redact(url)}: no plugin for {scheme}:// is installed", fix=hint, url=redact(url)
        )
    return FolderRemote(url, options)


def _connectors() -> dict[str, Connector]:
    from tiffin.plugins import registry

    found: dict[str, Connector] = {}
    for answer in reversed(registry().broadcast().remotes()):
        if not isinstance(answer, Mapping) or not all(
            isinstance(scheme, str) and callable(connector) for scheme, connector in answer.items()
        ):
            raise HookError(
                f"A plugin answers the hook 'remotes' with {answer!r}",
                fix="Return a dict of URL schemes and functions",
                plugin="",
            )
        found.update(answer)
    return found

"""Where models are in a registry: URLs, repository names and tags, as the OCI distribution specification 1.1 has them."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tiffin.exceptions import TransferError
from tiffin.places import redact

_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
MAX_REPOSITORY = 255
"""Characters that most registries take, the host's included; see the specification's note on names."""

_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Place(NamedTuple):
    """What a URL names, checked.

    Attributes:
        host: the registry as people write it, with its port if it has one: "ghcr.io", "127.0.0.1:5000".
        path: the namespace, or a model's own repository; may be empty.
        plain_http: whether it is spoken to without TLS.
        user: of the URL, or empty.
        password: of the URL, or empty.
    """

    host: str
    path: str
    plain_http: bool
    user: str = ""
    password: str = ""

    @property
    def server(self) -> str:
        """The host and port that are connected to."""
        return "registry-1.docker.io" if self.host in _DOCKER_HUB else self.host

    @property
    def url(self) -> str:
        """The URL without secrets."""
        scheme = "oci+http" if self.plain_http and not is_loopback(self.host) else "oci"
        return f"{scheme}://{self.host}/{self.path}".rstrip("/")

    def repository(self, name: str) -> str:
        """Return the repository of the models of a name.

        Raises:
            TransferError: the name, or the whole, is no name that a repository can have.
        """
        last = self.path.rpartition("/")[2]
        whole = self.path if last == name else f"{self.path}/{name}" if self.path else name
        if not _PART.fullmatch(name):
            raise TransferError(
                f"The model name {name!r} cannot be a repository's in a registry ({self.url})",
                why="Between letters and digits registries take one '.', one or two '_', or '-'",
                fix="Push it under another name, or to another kind of remote",
                url=self.url,
            )
        if len(self.host) + 1 + len(whole) > MAX_REPOSITORY:
            raise TransferError(
                f"The repository {whole!r} of {self.host} has a name of more than {MAX_REPOSITORY} characters",
                why="Registries refuse such names",
                fix="Choose a shorter namespace",
                url=self.url,
            )
        return whole

    def name_of(self, repository: str) -> str | None:
        """Return the name of the models that a repository holds; `None` if it is not below this place."""
        head, _, name = repository.rpartition("/")
        return name if repository == self.path or head == self.path else None


def parse(url: str, *, plain_http: bool | None = None) -> Place:
    """Return what a URL names.

    Args:
        url: `oci://host[:port]/namespace[/name]`, or the same with `oci+http`.
        plain_http: whether to speak without TLS; `None` decides by the URL: with `oci+http`, and for this machine.

    Raises:
        TransferError: it is no such URL.
    """
    try:
        split = urlsplit(url)
        host, port = split.hostname or "", split.port
        user, password = unquote(split.username or ""), unquote(split.password or "")
    except ValueError:
        split, host, port, user, password = urlsplit("oci:"), "", None, "", ""
    shown = redact(url)
    if ":" in host:
        host = f"[{host}]"
    labels = () if host.startswith("[") else host.split(".")
    if not _HOST.fullmatch(host) or not all(0 < len(label) < 64 for label in labels) or split.query or split.fragment:
        raise TransferError(
            f"{shown!r} is no URL of a registry",
            fix="Write oci://HOST[:PORT]/NAMESPACE, for example oci://ghcr.io/someone/models",
            url=shown,
        )
    path = split.path.strip("/")
    for part in path.split("/") if path else ():
        if not _PART.fullmatch(part):
            raise TransferError(
                f"{part!r} in {shown!r} cannot be a part of a repository's name",
                why="Registries take a-z and 0-9, and between them one '.', one or two '_', or '-'"
                + (". A version is not part of the URL" if ":" in part or "@" in part else ""),
                fix="Write oci://HOST[:PORT]/NAMESPACE, for example oci://ghcr.io/someone/models",
                url=shown,
            )
    if plain_http is None:
        plain_http = split.scheme == "oci+http" or is_loopback(host)
    return Place(host if port is None else f"{host}:{port}", path, plain_http, user, password)


def is_loopback(host: str) -> bool:
    """Tell whether a host, with or without a port, is this machine by its name."""
    import ipaddress

    name = host.rpartition(":")[0] if (re.search(r":\d+\Z", host) and host.count(":") == 1) or "]:" in host else host
    name = name.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_tag(text: str) -> bool:
    """Tell whether a text may be a tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: object) -> bool:
    """Tell whether a value is a sha256 digest as registries write it."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None

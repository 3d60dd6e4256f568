"""Container registries as remotes of Tiffin: `oci://registry/namespace`.

Models are pushed as CNCF ModelPack artifacts, which other tools read, and what others pushed is pulled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tiffin import hookimpl


@hookimpl
def remotes() -> Mapping[str, Any]:
    """Add the schemes `oci` and, without TLS, `oci+http`."""
    return {"oci": _connect, "oci+http": _connect}


def _connect(url: str, options: Mapping[str, Any]) -> Any:
    # What speaks HTTP is slow to import, and every command that knows remotes loads this plugin.
    from tiffin_oci._remote import connect

    return connect(url, options)

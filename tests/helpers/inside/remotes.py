"""What is taken from inside `tiffin.remotes`."""

from __future__ import annotations

from tiffin.remotes import _parallel, _pull, _settings
from tiffin.remotes._errors import remote_errors
from tiffin.remotes._parallel import each
from tiffin.remotes._settings import _toml
from tiffin.remotes._streams import TRIES, Stop

__all__ = [
    "TRIES",
    "Stop",
    "_parallel",
    "_pull",
    "_settings",
    "_toml",
    "each",
    "remote_errors",
]

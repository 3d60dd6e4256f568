"""Remotes: places that models are pushed to and pulled from."""

from __future__ import annotations

from tiffin.remotes._connect import connected, locate, split_reference
from tiffin.remotes._find import list_remote
from tiffin.remotes._folder import FolderRemote
from tiffin.remotes._interface import Connector, Content, Opener, Remote, RemoteVersion, Source
from tiffin.remotes._pull import pull
from tiffin.remotes._push import Pushed, push
from tiffin.remotes._settings import NamedRemote, add_remote, default_remote, named_remotes, remove_remote

__all__ = [
    "Connector",
    "Content",
    "FolderRemote",
    "NamedRemote",
    "Opener",
    "Pushed",
    "Remote",
    "RemoteVersion",
    "Source",
    "add_remote",
    "connected",
    "default_remote",
    "list_remote",
    "locate",
    "named_remotes",
    "pull",
    "push",
    "remove_remote",
    "split_reference",
]

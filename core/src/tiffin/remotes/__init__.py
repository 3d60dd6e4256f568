"""Remotes: places that models are pushed to and pulled from."""

from __future__ import annotations

from tiffin.remotes._interface import Connector, Content, Opener, Remote, RemoteVersion, Source

__all__ = ["Connector", "Content", "Opener", "Remote", "RemoteVersion", "Source"]

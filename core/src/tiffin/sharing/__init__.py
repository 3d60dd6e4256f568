"""One runner for many processes: a program listens, others attach."""

from __future__ import annotations

from tiffin.sharing._attached import AttachedMethod, AttachedRunner, attach
from tiffin.sharing._listen import Listener
from tiffin.sharing._offer import offer_methods

__all__ = ["AttachedMethod", "AttachedRunner", "Listener", "attach", "offer_methods"]

"""The hint to install an adapter: a command that people copy, so nothing of a stranger's goes into it as it is."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z][a-z0-9]{0,39}(?:_[a-z0-9]{1,39}){0,3}", re.ASCII)


def install_hint(framework: str) -> str:
    """Return what to try where the adapter of a framework is missing; empty where its name can be no distribution's.

    Args:
        framework: the adapter's name, as a record or a user gives it.
    """
    return f"Try: pip install tiffin-{framework.replace('_', '-')}" if _NAME.fullmatch(framework) else ""

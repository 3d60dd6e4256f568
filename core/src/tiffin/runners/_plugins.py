"""What plugins add to runners: kinds of values to batch, places to run."""

from __future__ import annotations

from tiffin.batching import registry as containers
from tiffin.plugins import registry as plugins

from ._backends import register_backends


def ask_plugins() -> None:
    """Take in what the hooks `batch_containers` and `runner_backends` answer.

    Raises:
        PluginError: A plugin cannot be used; it is named, and how to switch it off.
    """
    hooks = plugins().broadcast()
    for added in hooks.batch_containers():
        containers.register_all(added)
    for backends in hooks.runner_backends():
        register_backends(backends)

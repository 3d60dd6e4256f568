"""Loading a version for a runnable: its object, made ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiffin.info import options_from
from tiffin.plugins import registry
from tiffin.runners import device_for

if TYPE_CHECKING:
    from tiffin.model._handle import Model


class Loader:
    """Loads one version, in this process or in a worker's.

    Args:
        model: the version.
        plugin: its adapter, if that was registered in this program only: a worker's process registers it, too.
    """

    def __init__(self, model: Model, plugin: object | None) -> None:
        self.model = model
        self.plugin = plugin

    def __call__(self) -> Any:
        """Return the object whose methods run."""
        model, plugins = self.model, registry()
        if self.plugin is not None and not plugins.has(model.framework):
            plugins.register(self.plugin, model.framework)
        loaded = model.load()
        adapter = plugins.adapter(model.framework)
        options = options_from(adapter.info.options, model.info.options)
        return adapter.prepare(loaded, options, model.custom_objects, device_for(adapter.info.resources))

"""Plugins: the hooks, how plugins are found and registered, and the call to one adapter."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tiffin.hints import install_hint
from tiffin.plugins._adapter import Adapter
from tiffin.plugins._adapter_info import AdapterInfo, CodeReader
from tiffin.plugins._manager import hookimpl
from tiffin.plugins._own_format import OwnClasses, read_parameters, write_parameters
from tiffin.plugins._own_packages import part_of
from tiffin.plugins._protocols import StoredModel
from tiffin.plugins._registry import PluginDescription, Registry, check_plugin_name, register, registry, unregister
from tiffin.plugins._saved import NotMine, Saved
from tiffin.plugins._values import carried, known_kinds, restore, waiting_packages

if TYPE_CHECKING:
    from tiffin.plugins._foreign import find_reader, foreign_tools
    from tiffin.plugins._foreign_description import ForeignDescription
    from tiffin.plugins._foreign_model import ForeignModel, ForeignReading, reading_of_file
    from tiffin.plugins._foreign_tool import ForeignTool
    from tiffin.plugins._voucher import Voucher, ask_vouchers, check_attestation, has_vouchers, proves

__all__ = [
    "Adapter",
    "AdapterInfo",
    "CodeReader",
    "ForeignDescription",
    "ForeignModel",
    "ForeignReading",
    "ForeignTool",
    "NotMine",
    "OwnClasses",
    "PluginDescription",
    "Registry",
    "Saved",
    "StoredModel",
    "Voucher",
    "ask_vouchers",
    "carried",
    "check_attestation",
    "check_plugin_name",
    "find_reader",
    "foreign_tools",
    "has_vouchers",
    "hookimpl",
    "install_hint",
    "known_kinds",
    "part_of",
    "proves",
    "read_parameters",
    "reading_of_file",
    "register",
    "registry",
    "restore",
    "unregister",
    "waiting_packages",
    "write_parameters",
]

_MODULES = {
    "ForeignDescription": "tiffin.plugins._foreign_description",
    "ForeignModel": "tiffin.plugins._foreign_model",
    "ForeignReading": "tiffin.plugins._foreign_model",
    "ForeignTool": "tiffin.plugins._foreign_tool",
    "Voucher": "tiffin.plugins._voucher",
    "ask_vouchers": "tiffin.plugins._voucher",
    "check_attestation": "tiffin.plugins._voucher",
    "find_reader": "tiffin.plugins._foreign",
    "foreign_tools": "tiffin.plugins._foreign",
    "has_vouchers": "tiffin.plugins._voucher",
    "proves": "tiffin.plugins._voucher",
    "reading_of_file": "tiffin.plugins._foreign_model",
}
"""Where each name is that a load of what was saved here does without."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

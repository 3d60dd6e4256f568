"""Plugins: the hooks, how plugins are found and registered, and the call to one adapter."""

from __future__ import annotations

from tiffin.hints import install_hint
from tiffin.plugins._adapter import Adapter
from tiffin.plugins._adapter_info import AdapterInfo, CodeReader
from tiffin.plugins._foreign import find_reader, foreign_tools
from tiffin.plugins._foreign_description import ForeignDescription
from tiffin.plugins._foreign_model import ForeignModel, ForeignReading, reading_of_file
from tiffin.plugins._foreign_tool import ForeignTool
from tiffin.plugins._manager import hookimpl
from tiffin.plugins._own_format import OwnClasses, read_parameters, write_parameters
from tiffin.plugins._protocols import StoredModel
from tiffin.plugins._registry import PluginDescription, Registry, check_plugin_name, register, registry, unregister
from tiffin.plugins._saved import NotMine, Saved
from tiffin.plugins._values import carried, known_kinds, restore, waiting_packages
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

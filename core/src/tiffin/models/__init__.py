"""The models in the store: list, get, save, create, edit, alias, verify, delete.

Every function works on the store below $TIFFIN_HOME (default ~/.tiffin), or on the one that `store=` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiffin.model import Model
from tiffin.models._aliasing import aliases, remove_alias, set_alias
from tiffin.models._attesting import sign, verify_signature
from tiffin.models._checking import check
from tiffin.models._default import default_store
from tiffin.models._library import (
    card,
    create,
    delete,
    diff,
    edit,
    get,
    inspect,
    label,
    list,
    load,
    prune,
    save,
    trust,
    untrust,
)
from tiffin.models._moving import export_model, import_all, import_model, list_remote, pull, push
from tiffin.models._references import ModelReference, reference
from tiffin.models._remembering import aliases_at, history, trash, undelete
from tiffin.models._upkeep import gc, usage, verify
from tiffin.store import ModelStore
from tiffin.tags import Tag

if TYPE_CHECKING:
    from tiffin.info import Difference, ModelContext, ModelInfo, ModelOptions
    from tiffin.models._replaying import CheckReport, Replayed
    from tiffin.plugins import Voucher as SignatureCheck
    from tiffin.signatures import ModelSignature
    from tiffin.store.gc import Garbage
    from tiffin.store.history import Event
    from tiffin.store.trash import Trashed
    from tiffin.store.usage import StoreUsage, Usage
    from tiffin.store.verifying import Problem

__all__ = [
    "CheckReport",
    "Difference",
    "Event",
    "Garbage",
    "Model",
    "ModelContext",
    "ModelInfo",
    "ModelOptions",
    "ModelReference",
    "ModelSignature",
    "ModelStore",
    "Problem",
    "Replayed",
    "SignatureCheck",
    "StoreUsage",
    "Tag",
    "Trashed",
    "Usage",
    "aliases",
    "aliases_at",
    "card",
    "check",
    "create",
    "default_store",
    "delete",
    "diff",
    "edit",
    "export_model",
    "gc",
    "get",
    "history",
    "import_all",
    "import_model",
    "inspect",
    "label",
    "list",
    "list_remote",
    "load",
    "prune",
    "pull",
    "push",
    "reference",
    "remove_alias",
    "save",
    "set_alias",
    "sign",
    "trash",
    "trust",
    "undelete",
    "untrust",
    "usage",
    "verify",
    "verify_signature",
]

_LATER = {
    "CheckReport": "tiffin.models._replaying",
    "Difference": "tiffin.info",
    "Event": "tiffin.store.history",
    "Garbage": "tiffin.store.gc",
    "ModelContext": "tiffin.info",
    "ModelInfo": "tiffin.info",
    "ModelOptions": "tiffin.info",
    "ModelSignature": "tiffin.signatures",
    "Problem": "tiffin.store.verifying",
    "Replayed": "tiffin.models._replaying",
    "StoreUsage": "tiffin.store.usage",
    "Trashed": "tiffin.store.trash",
    "Usage": "tiffin.store.usage",
}


def __getattr__(name: str) -> Any:
    # These classes are slow to import, and a list of models does not need them.
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)
    if name == "SignatureCheck":  # the name that vouchers had before
        from tiffin.plugins import Voucher

        return Voucher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

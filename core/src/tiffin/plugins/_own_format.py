"""What adapters share whose framework has a file format of its own: a list of classes, and parameters beside the file."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tiffin.exceptions import MetadataError, SignatureError, StoreError
from tiffin.info import plain, read_json
from tiffin.plugins._adapter_info import AdapterInfo
from tiffin.plugins._saved import NotMine
from tiffin.showing import shown

if TYPE_CHECKING:
    from tiffin.plugins._foreign_model import ForeignModel, ForeignReading

_THREADS = frozenset({"n_jobs", "nthread", "num_threads", "thread_count"})
"""What parameters are called that say how many threads to start."""
_MAX_THREADS = 1024


@attrs.frozen
class OwnClasses:
    """The classes of a framework's own that its file can become. A record may name no other: it comes from strangers, too.

    Args:
        module: the dotted name of the module that has them; imported when a class is asked for.
        names: the names of the classes there; the first is what a file becomes of which nobody says more.
    """

    module: str
    names: Sequence[str]

    def info(self, **more: Any) -> AdapterInfo:
        """Return what the adapter of these classes says of itself: they predict, in compiled code, and their files run none.

        Args:
            more: fields of `AdapterInfo`, which go before these.
        """
        said = {
            "types": [f"{self.module}.{name}" for name in self.names],
            "distributions": [self.module],
            "signatures": {"predict": {"batchable": True}},
            "options": {"model_class": ""},
            "code_files": (),
            "cpu_multi_threading": True,
            "holds_gil": False,
        }
        return AdapterInfo(**{**said, **more})

    def name_of(self, model: Any) -> str:
        """Return the name of a model's class.

        Raises:
            NotMine: it is none of these classes exactly: what derives from one would not come back as what it was.
        """
        name = type(model).__name__
        if name not in self.names or type(model) is not getattr(import_module(self.module), name):
            raise NotMine(f"A file in the own format of {self.module} would make a {name} into what it derives from")
        return name

    def get(self, name: str) -> Any:
        """Return the class of a name, for the option `model_class`; the first one for "".

        Raises:
            SignatureError: there is no such class.
        """
        name = name or self.names[0]
        if name not in self.names:
            raise SignatureError(
                f"The option model_class={name!r} names no class of models",
                why=f"Those of {self.module} are " + ", ".join(self.names),
                method="",
            )
        return getattr(import_module(self.module), name)

    def read_foreign(
        self, foreign: ForeignModel, target: str, kinds: Mapping[str, tuple[str, str]]
    ) -> ForeignReading | None:
        """Return the reading of a file of the framework's own that another tool stored.

        Args:
            foreign: what the hook was given.
            target: the name by which `load` finds the file.
            kinds: kind → pattern of the file's path, and the field or option that names its class, "" if none does.
        """
        from tiffin.plugins._foreign_model import reading_of_file

        field = kinds.get(foreign.kind, ("", ""))[1]
        options = foreign.fields.get("options")
        fields = {**foreign.fields, **(options if isinstance(options, Mapping) else {})}
        name = str(fields.get(field) or self.names[0]).rpartition(".")[2]
        files = {kind: pattern for kind, (pattern, _) in kinds.items()}
        return reading_of_file(foreign, files, target, options={"model_class": name}, used=[field])


def write_parameters(values: Mapping[str, Any], file: Path) -> list[str]:
    """Write parameters as JSON, those that are plain values; tuples become lists.

    Args:
        values: what an estimator was made with, by name.
        file: where to.

    Returns:
        What is lost, a phrase for each of the others: objectives of one's own, generators of random numbers.
    """
    kept, lost = {}, []
    for name, value in values.items():
        try:
            text = json.dumps(plain(value, name))
        except (MetadataError, TypeError):
            lost.append(f"the parameter {name!r}, {shown(repr(value))}, which is used when it is fitted")
        else:
            kept[name] = json.loads(text)
    file.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return lost


def read_parameters(file: Path, cls: Any = None) -> dict[str, Any]:
    """Return the parameters of a file, which may be a stranger's; none where there is no file, as in what other tools wrote.

    Args:
        file: what `write_parameters` wrote.
        cls: the class that takes them: names that it has otherwise than as a parameter, and private ones, are left out, so
            that no method and no state can be replaced. `None` returns all.

    Raises:
        StoreError: the file holds something else, nests without end, is too long, or asks for too many threads.
    """
    if not file.exists():
        return {}
    values = read_json(file)
    for name in _THREADS & values.keys():
        if type(values[name]) is int and values[name] > _MAX_THREADS:
            raise StoreError(
                f"The file '{file}' asks for {values[name]} threads",
                why=f"Compiled code ends the program where it cannot start them; up to {_MAX_THREADS} are taken",
                fix="Do not use the model, if you do not know who made it",
                path=str(file),
            )
    if cls is None:
        return values
    taken = inspect.signature(cls).parameters
    return {
        name: value
        for name, value in values.items()
        if name in taken or not (name.startswith("_") or hasattr(cls, name))
    }

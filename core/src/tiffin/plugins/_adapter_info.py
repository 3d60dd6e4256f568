"""AdapterInfo: what an adapter says of itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from tiffin.exceptions import EmptyAnswerError, HookError, PluginWarning
from tiffin.info import RESERVED_OPTIONS, ModelOptions, option_names
from tiffin.showing import close_names

if TYPE_CHECKING:
    from tiffin.building import Lists, Maker
    from tiffin.inspection import Inspection

Signatures = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]
NameList = Sequence[str] | os.PathLike[str] | Callable[[], Iterable[str]]
Makers = Mapping[str, "Maker | Callable[[tuple[Any, ...], Any], Any]"]
Checks = Mapping[str, Callable[[Any], None]]
CodeReader = str | Callable[[Path], "Inspection"]
READERS = ("pickle", "joblib")


@attrs.frozen(kw_only=True)
class AdapterInfo:
    """What an adapter says of itself; `context_info` returns one, or a dict with these fields.

    Attributes:
        framework: the framework's name; the name of the entry point where it is left out.
        types: dotted names of the classes whose instances the adapter stores, as "package.module.Class", subclasses
            included. Names are compared with what is already imported; nothing is imported for them.
        types_by_name: dotted names of further classes, whose instances it stores only where it is asked for by name, as in
            `tiffin.save(…, framework="kv")`: another adapter claims them.
        paths: whether it takes the path of a file or folder in place of an object, a `str` or `os.PathLike`, where it is
            asked for by name. `save` then gets a `Path` of what is there.
        loads_as_other: whether `load` returns another kind of object than `save` takes, as of a file. What is said of methods
            is then checked against a load of what was written, before it is published.
        distributions: names of installed distributions whose versions are recorded; a load in another version warns. A list
            in it names twins, of which one is installed: ["kvlib", "kvlib-cpu"].
        signatures: method → signature (a `ModelSignature` or a dict with its fields), used where a user gives none; or a
            function that makes them from the object to save.
        options: the adapter's options: a subclass of `ModelOptions`, or a dict of names and defaults. Hooks receive an
            instance of the class, or a dict.
        code_files: glob patterns (`"*.pkl"`) of the written files that can run code when they are loaded, `()` if none can.
            `None`, the default, stands for all. A model from elsewhere that has such files loads only if it is trusted, or if
            all that they would import is on a list. What the options say must not name code to run.
        code_readers: glob pattern → how such a file is read: "pickle" or "joblib"; or, for a format that core does not know,
            a function of its path that returns a `tiffin.inspection.Inspection`: what the file names, what cannot be told,
            and the tape to build it from. The function gets a stranger's file, and must load nothing. Without a tape, and for
            other code files, the model needs trust.
        classes: exact dotted names ("package.module.Class", "package.module:Outer.Inner") of classes whose instances core may
            build of a stranger's file: made empty, without `__init__` or `__setstate__`, and given plain attributes. A list;
            or the path of a text file with a name per line; or a function that returns the names.
        functions: exact dotted names, as above, that may stand as values: functions and classes that are stored by name.
            None that opens, evaluates, or calls what it is given by a stored name.
        makers: dotted name → how what it stands for is made where a file would have it called or filled by compiled code: a
            function `f(arguments, state)`, or a `tiffin.building.Maker`. Or a function that returns such a dict.
        checks: dotted name of a class → a function of each of its instances, called when a stranger's object is built, which
            raises where compiled code would trip over it. Or a function that returns such a dict. The lists of all installed
            adapters count together, and are read only for a model from elsewhere.
        allowed_globals: no longer used: it let pickles import what it names, which was not safe. Use `classes` and the rest.
        resources: kinds of device that its runnables may use.
        cpu_multi_threading: whether one instance may be called from several threads at once.
        holds_gil: whether its models hold Python's GIL for long while they compute, so that they do better in a process of
            their own; `backend="auto"` goes by it. `None` says nothing of it.
    """

    framework: str = ""
    types: Sequence[str] = ()
    types_by_name: Sequence[str] = ()
    paths: bool = False
    loads_as_other: bool = False
    distributions: Sequence[str | Sequence[str]] = ()
    signatures: Signatures = attrs.field(factory=dict)
    options: type[ModelOptions] | Mapping[str, Any] | None = None
    code_files: Sequence[str] | None = None
    code_readers: Mapping[str, CodeReader] = attrs.field(factory=lambda: {"*.pkl": "pickle"})
    classes: NameList = ()
    functions: NameList = ()
    makers: Makers | Callable[[], Makers] = attrs.field(factory=dict)
    checks: Checks | Callable[[], Checks] = attrs.field(factory=dict)
    allowed_globals: NameList = ()
    resources: Sequence[str] = ("cpu",)
    cpu_multi_threading: bool = False
    holds_gil: bool | None = None

    @classmethod
    def from_answer(cls, answer: Any, plugin: str) -> AdapterInfo:
        """Return what `context_info` answered as an `AdapterInfo`.

        Args:
            answer: an `AdapterInfo` or a mapping with its fields.
            plugin: the adapter's name, for errors.

        Raises:
            EmptyAnswerError: the answer is `None`.
            HookError: a field is unknown or has a wrong type.
        """
        if answer is None:
            raise EmptyAnswerError(
                f"The adapter {plugin!r} does not say what it is: its context_info returned None",
                fix="Return an AdapterInfo or a dict, for example {'types': ['package.Class']}",
                plugin=plugin,
            )
        if isinstance(answer, AdapterInfo):
            info = answer
        elif isinstance(answer, Mapping):
            fields = [field.name for field in attrs.fields(cls)]
            for name in answer:
                if name not in fields:
                    close = close_names(str(name), fields, 1)
                    raise HookError(
                        f"The adapter {plugin!r} answers context_info with an unknown field {name!r}",
                        why="Known fields are " + ", ".join(fields),
                        fix=f"Did you mean {close[0]!r}?" if close else "",
                        plugin=plugin,
                    )
            info = cls(**answer)
        else:
            raise HookError(
                f"The adapter {plugin!r} answers context_info with {type(answer).__name__}",
                fix="Return an AdapterInfo or a dict with its fields",
                plugin=plugin,
            )
        info._check(plugin)
        return info

    def _check(self, plugin: str) -> None:
        for name in ("types", "types_by_name", "distributions", "resources", "code_files"):
            value = getattr(self, name)
            if name == "distributions" and not isinstance(value, str) and isinstance(value, Sequence):
                value = [twin for one in value for twin in ([one] if isinstance(one, str) else one)]
            if value is None and name == "code_files":
                continue
            if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(x, str) for x in value):
                raise HookError(
                    f"The adapter {plugin!r} answers context_info with {name}={value!r}",
                    fix="It must be a list of strings",
                    plugin=plugin,
                )
        readers = self.code_readers
        if not isinstance(readers, Mapping) or not all(
            isinstance(glob, str) and (reader in READERS or callable(reader)) for glob, reader in readers.items()
        ):
            raise HookError(
                f"The adapter {plugin!r} answers context_info with code_readers={readers!r}",
                fix="Return a dict of glob patterns, each with " + ", ".join(map(repr, READERS)) + " or a function",
                plugin=plugin,
            )
        for name in ("classes", "functions"):
            names = getattr(self, name)
            if not (callable(names) or isinstance(names, os.PathLike)):
                _check_names(names, name, plugin)
        for name in ("makers", "checks"):
            if not callable(getattr(self, name)):
                _check_functions(getattr(self, name), name, plugin)
        if not isinstance(self.framework, str):
            raise HookError(
                f"The adapter {plugin!r} answers context_info with framework={self.framework!r}",
                fix="It must be a string, or be left out",
                plugin=plugin,
            )
        if not (
            self.options is None
            or isinstance(self.options, Mapping)
            or (isinstance(self.options, type) and issubclass(self.options, ModelOptions))
        ):
            raise HookError(
                f"The adapter {plugin!r} answers context_info with options={self.options!r}",
                fix="Return a subclass of tiffin.ModelOptions, or a dict of names and defaults",
                plugin=plugin,
            )
        options = self.options if isinstance(self.options, Mapping) else option_names(self.options)
        reserved = RESERVED_OPTIONS.intersection(options)
        if reserved:
            raise HookError(
                f"The adapter {plugin!r} has an option {min(reserved)!r}",
                why="Options are written beside the arguments of save and load, and that is one of theirs",
                fix="Give it another name",
                plugin=plugin,
            )
        if not (callable(self.signatures) or isinstance(self.signatures, Mapping)):
            raise HookError(
                f"The adapter {plugin!r} answers context_info with signatures={self.signatures!r}",
                fix="Return a dict of method names and signatures, or a function that makes one from the object",
                plugin=plugin,
            )

    def add_to(self, lists: Lists, plugin: str) -> None:
        """Add to `lists` what core may build for this framework; reads it where it lies.

        Args:
            lists: what may be built.
            plugin: the adapter's name, for errors.

        Raises:
            HookError: it cannot be read, or names nothing exactly.

        Warns:
            PluginWarning: the adapter still relies on `allowed_globals`.
        """
        if not isinstance(self.allowed_globals, Sequence) or self.allowed_globals:
            warnings.warn(
                f"The adapter {plugin!r} has a list of allowed_globals, which lets nothing load any more: a model from "
                "elsewhere that relies on it needs trust. Its authors can declare classes, functions, makers and checks",
                PluginWarning,
                stacklevel=2,
            )
        makers = self.makers() if callable(self.makers) else self.makers
        checks = self.checks() if callable(self.checks) else self.checks
        _check_functions(makers, "makers", plugin)
        _check_functions(checks, "checks", plugin)
        lists.add(
            _read_names(self.classes, "classes", plugin),
            _read_names(self.functions, "functions", plugin),
            makers,
            checks,
        )


def _read_names(source: NameList, field: str, plugin: str) -> Sequence[str]:
    if isinstance(source, os.PathLike):
        try:
            lines = Path(source).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise HookError(
                f"The adapter {plugin!r} keeps its {field} in {os.fspath(source)}, which cannot be read: {error}",
                fix=f"Install the adapter {plugin!r} again",
                plugin=plugin,
            ) from error
        names: Any = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        names = list(source()) if callable(source) else source
    _check_names(names, field, plugin)
    return cast("Sequence[str]", names)


def _is_maker(function: object) -> bool:
    from tiffin.building import Maker

    return isinstance(function, Maker)


def _check_functions(functions: Any, field: str, plugin: str) -> None:
    if not isinstance(functions, Mapping) or not all(
        callable(function) or (field == "makers" and _is_maker(function)) for function in functions.values()
    ):
        raise HookError(
            f"The adapter {plugin!r} answers context_info with {field}={functions!r}",
            fix="Return a dict of dotted names and functions, or a function that returns one",
            plugin=plugin,
        )
    _check_names(list(functions), field, plugin)


def _check_names(names: Any, field: str, plugin: str) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise HookError(
            f"The adapter {plugin!r} answers context_info with {field}={names!r}",
            fix="Return a list of dotted names, the path of a file of them, or a function that returns them",
            plugin=plugin,
        )
    for name in names:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.replace(":", ".").split(".")):
            raise HookError(
                f"The adapter {plugin!r} allows {name!r} in {field}",
                why="Only exact names are safe: a package may hold anything, now or later",
                fix="Name each class or function, as 'package.module.Class'",
                plugin=plugin,
            )
        by_value = name.partition(".")[0] == "cloudpickle" or name.startswith("tiffin.pickling.rebuild")
        if by_value or "." not in name:
            raise HookError(
                f"The adapter {plugin!r} allows {name!r} in {field}",
                why="It stands for any code that a pickle holds",
                fix="Remove it",
                plugin=plugin,
            )

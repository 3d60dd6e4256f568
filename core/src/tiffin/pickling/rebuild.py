"""What pickles of code by value call while they are loaded: it makes functions, classes and their relations anew.

The names in this module stand in stored models for ever, with the arguments that they have: one may be added, none changed.

A class is put together as it was, without running what ran when it was defined: no metaclass, no `__init_subclass__`, no
`__set_name__`. What these left on the class is part of it already, and what they noted elsewhere, in a table of an imported
module's, concerns the class of the program, not this one. A loaded class is always a new one.
"""

from __future__ import annotations

import abc
import builtins
import contextlib
import functools
import marshal
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import resolve_name
from typing import Any

from tiffin.exceptions import PicklingError

PYTHON = "{}.{}".format(*sys.version_info)
"""The minor version of Python whose code can run here."""

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement or its like, not a static type of C code


def check_python(saved: str) -> None:
    """Refuse code of another minor version of Python, whose instructions mean something else: it may kill the process.

    Args:
        saved: the version that wrote the code, as "3.11" or "3.11.7".

    Raises:
        PicklingError: it is another one.
    """
    minor = saved if saved == PYTHON else ".".join(saved.split(".")[:2])
    if minor != PYTHON:
        raise PicklingError(
            f"It holds code by value that was saved by Python {minor}, and this is Python {PYTHON}",
            why="The instructions of another minor version mean something else here",
            fix=f"Load it with Python {minor}; or save it with this Python, with its code in a module that is installed on "
            "both sides",
        )


def code(python: str, content: bytes) -> types.CodeType:
    """Return the code object that was written by this minor version of Python, by the module `marshal`."""
    check_python(python)
    found: types.CodeType = marshal.loads(content)
    return found


def namespace(names: Mapping[str, Any]) -> types.ModuleType:
    """Return a module that is in no table of modules, with these names; functions loaded by value share one as globals."""
    module = types.ModuleType(names.get("__name__") or "__main__")
    vars(module).update(names)
    vars(module)["__builtins__"] = builtins
    return module


def module(made: types.ModuleType) -> types.ModuleType:
    """Return the namespace itself, for a module by value: `fill_module` adds what else it holds."""
    return made


def package(name: str, submodules: Sequence[types.ModuleType]) -> types.ModuleType:
    """Return an importable package, of which code reaches submodules as attributes: to load these imports them."""
    return import_module(name)


def fill_module(made: types.ModuleType, names: Mapping[str, Any]) -> None:
    """Add names to a module by value."""
    vars(made).update(names)


def cell(*content: Any) -> types.CellType:
    """Return a variable that closures share, empty or with its content."""
    return types.CellType(*content)


def fill_cell(made: types.CellType, content: tuple[Any]) -> None:
    """Set a shared variable."""
    made.cell_contents = content[0]


class Imports:
    """Stands for `__import__` in code by value that imports modules by value while it runs.

    Attributes:
        modules: those modules, by name. They are in no table of the program's.
    """

    def __init__(self) -> None:
        self.modules: dict[str, types.ModuleType] = {}

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> Any:
        """Return the module, or its first package where nothing is taken from it; others are imported as usual."""
        full = resolve_name("." * level + name, (globals or {}).get("__package__")) if level else name
        if full not in self.modules:
            return builtins.__import__(name, globals, locals, fromlist, level)
        for child, module in self.modules.items():
            package, _, attribute = child.rpartition(".")
            if package in self.modules:
                setattr(self.modules[package], attribute, module)
        return self.modules[full if fromlist else full.partition(".")[0]]


def imports_of(names: Mapping[str, Any]) -> Mapping[str, types.ModuleType]:
    """Return the modules by value that code with these global names can import."""
    own = names.get("__builtins__")
    importer = own.get("__import__") if isinstance(own, dict) else None
    return importer.modules if isinstance(importer, Imports) else {}


def function(
    body: types.CodeType,
    names: types.ModuleType,
    name: str,
    cells: tuple[types.CellType, ...] | None,
    imports: bool = False,
) -> types.FunctionType:
    """Return a function that lacks all but its code; `fill_function` adds the rest.

    Args:
        body: its code.
        names: holds its global names.
        name: its name.
        cells: the variables that it shares with others.
        imports: whether it imports modules by value when it is called.
    """
    if imports and not isinstance(vars(names)["__builtins__"], dict):
        vars(names)["__builtins__"] = {**vars(builtins), "__import__": Imports()}
    return types.FunctionType(body, vars(names), name, None, cells)


def fill_function(made: types.FunctionType, state: tuple[Any, ...]) -> None:
    """Complete a function.

    Args:
        made: the function.
        state: its special attributes, its other attributes, global variables, pairs of shared variables and contents,
            modules that had to be imported, and modules by value by the name that it imports them by.
    """
    special, attributes, names, cells, _, modules = state
    made.__globals__.update(names)
    if modules:
        made.__globals__["__builtins__"]["__import__"].modules.update(modules)
    for variable, content in cells:
        variable.cell_contents = content
    for name, value in special.items():
        setattr(made, name, value)
    made.__dict__.update(attributes)


def make_class(meta: type, name: str, bases: tuple[type, ...], names: Mapping[str, Any]) -> type:
    """Return a class that lacks all but its shape; `fill_class` adds the rest. Runs no code of its relations."""
    made: type = _shape(meta, name, bases, names)
    if isinstance(made, abc.ABCMeta):
        # What ABCMeta.__new__ does besides calling the next __new__; it has no public name.
        abc._abc_init(made)  # type: ignore[attr-defined]
    return made


def fill_class(made: Any, state: tuple[Mapping[str, Any], Sequence[type]]) -> None:
    """Complete a class: set what it held, in order, and the classes that were registered with an abstract one."""
    attributes, registered = state
    # Past a metaclass's own __setattr__, which may refuse.
    put = of_c(type(made), "__setattr__")
    for name, value in attributes.items():
        put(made, name, value)
    if "__firstlineno__" in attributes:  # from Python 3.13 on, setting some attributes deletes it
        put(made, "__firstlineno__", attributes["__firstlineno__"])
    for other in registered:
        abc.ABCMeta.register(made, other)


def _shape(meta: type, name: str, bases: tuple[type, ...], names: Mapping[str, Any]) -> Any:
    make = of_c(meta, "__new__")
    if not any("__init_subclass__" in vars(kind) for base in bases for kind in base.__mro__[:-1]):
        return make(meta, name, bases, dict(names))
    # `type.__new__` calls the next `__init_subclass__`. One that does nothing comes first, and leaves with its class.
    problem: TypeError | None = None
    for quiet in _quiet_classes(bases):
        try:
            made = make(meta, name, (quiet, *bases), dict(names))
            made.__bases__ = bases
        except TypeError as error:  # the memory of instances would be laid out otherwise
            problem = error
        else:
            if _is_laid_out(made, names):
                return made
    raise TypeError(f"the class {name!r} cannot be made without calling __init_subclass__ of its bases") from problem


def _is_laid_out(made: type, names: Mapping[str, Any]) -> bool:
    """Tell whether the class has the slots that it would have without the quiet class, and none more."""
    for slot, offset in (("__dict__", "__dictoffset__"), ("__weakref__", "__weakrefoffset__")):
        given = bool(getattr(made.__base__, offset))
        # Objects of any length, as tuples, get no weak references.
        wanted = slot in names.get("__slots__", () if slot == "__weakref__" and made.__itemsize__ else (slot,))
        if (slot in vars(made)) != (wanted and not given) or bool(getattr(made, offset)) != (wanted or given):
            return False
    return True


_SLOTS: tuple[tuple[str, ...], ...] = (("__dict__", "__weakref__"), (), ("__dict__",), ("__weakref__",))


def _quiet_classes(bases: tuple[type, ...]) -> Iterator[type]:
    """Yield classes to stand before `bases` for a moment, of each layout that may be needed, the likeliest first."""
    above = {kind: None for base in bases for kind in reversed(_single_line(base))}
    for kind in above:
        if kind.__flags__ & _HEAP_TYPE or kind is object:
            for slots in _SLOTS:
                names = {"__slots__": slots, "__init_subclass__": classmethod(lambda cls, **keywords: None)}
                try:
                    yield _shape(type(kind), "Quiet", (kind,), names)
                except TypeError:  # it has that slot already
                    continue


def _single_line(kind: type) -> list[type]:
    line = [kind]
    while line[-1].__base__ is not None:
        line.append(line[-1].__base__)
    return line


def of_c(kind: type, name: str) -> Callable[..., Any]:
    """Return the nearest method of this name that is no Python code; for classes and their metaclasses."""
    for base in kind.__mro__:
        found = vars(base).get(name)
        if isinstance(found, (types.WrapperDescriptorType, types.BuiltinFunctionType, types.MethodDescriptorType)):
            return found
    raise TypeError(f"{kind.__qualname__} has no {name} of its own kind")  # not for classes: `object` has all


def static_base(kind: type) -> type:
    """Return the nearest ancestor that is implemented in C."""
    return next(base for base in kind.__mro__ if not base.__flags__ & _HEAP_TYPE)


def member(kind: type, data: type, arguments: tuple[Any, ...]) -> Any:
    """Return a member of an enumeration, made past the enumeration itself, which is not complete yet.

    Args:
        kind: the enumeration.
        data: the type of data that its members are, `object` for none.
        arguments: what makes the data.
    """
    return of_c(data, "__new__")(kind, *arguments)


def fill_dict(made: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes past `__setattr__` and `__setstate__`."""
    vars(made).update(attributes)


def exception(
    kind: type[BaseException],
    base: type[BaseException],
    arguments: tuple[Any, ...],
    first: tuple[Any, ...] | None = None,
) -> BaseException:
    """Return an exception, made without its own `__init__`, which may take other arguments than those that it passed on.

    Args:
        kind: its class.
        base: the nearest ancestor that is implemented in C.
        arguments: its `args`.
        first: what that ancestor's `__new__` takes, if that is something else.
    """
    made = base.__new__(kind, *(arguments if first is None else first))
    base.__init__(made, *arguments)
    return made


def plain(kind: type) -> Any:
    """Return an object without attributes, made past its class's own `__new__`."""
    return object.__new__(kind)


def early(kind: type, arguments: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
    """Return an object that has some attributes already, so that it has its hash before the rest of it is there."""
    made = kind.__new__(kind, *arguments)
    for name, value in attributes.items():
        object.__setattr__(made, name, value)
    return made


def cached(wrapped: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """Return a function that `functools.lru_cache` wraps, with nothing in its cache."""
    return functools.lru_cache(maxsize, typed)(wrapped)


def cached_property(kind: type, attributes: Mapping[str, Any]) -> Any:
    """Return a `functools.cached_property` with the lock that it has before Python 3.12."""
    made: Any = object.__new__(kind)
    vars(made).update(attributes)
    if sys.version_info < (3, 12):
        from threading import RLock

        made.lock = RLock()
    return made


def descriptor(kind: type, arguments: tuple[Any, ...]) -> Any:
    """Return a property, or another descriptor of Python's own, of a class that may have an `__init__` of its own."""
    base: Any = static_base(kind)
    made = base.__new__(kind, *arguments)
    base.__init__(made, *arguments)
    return made


def standard_type(name: str) -> type:
    """Return a type of Python's own that only the module `types` has a name for."""
    found: type = getattr(types, name)
    return found


def type_parameter(kind: str, name: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any], where: str) -> Any:
    """Return a new type variable, parameter specification or the like.

    Args:
        kind: its class, in the module `typing`.
        name: its name.
        arguments, keywords: what else makes it.
        where: the module that defined it.
    """
    made = getattr(typing, kind)(name, *arguments, **keywords)
    with contextlib.suppress(AttributeError):  # `type X = …` takes it from the program
        made.__module__ = where
    return made


def alias(name: str, where: str, variable: types.CellType) -> Any:
    """Return a type alias without parameters, which looks its value up in the variable when it is asked for it.

    Args:
        name: its name.
        where: the module that defined it.
        variable: to be filled by `fill_alias`.
    """
    names: dict[str, Any] = {"__name__": where, "variable": variable}
    exec(f"type {name} = variable.cell_contents", names)  # only the statement makes what is looked up later
    return names[name]


def fill_alias(made: Any, state: tuple[types.CellType, Any]) -> None:
    """Set the value of a type alias."""
    variable, value = state
    variable.cell_contents = value

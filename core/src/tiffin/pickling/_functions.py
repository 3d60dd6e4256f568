"""Functions by value: their code, the variables that they share, and the global names that they use.

What is not used stays behind: of a script, only the names that its functions mention.
"""

from __future__ import annotations

import builtins
import dis
import marshal
import sys
import types
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from tiffin.pickling import rebuild
from tiffin.pickling._by_name import imported_by_value, is_module_by_name
from tiffin.pickling._children import with_inner

Reducer = Callable[[Any], Any]
"""Returns how to pickle an object, as `__reduce_ex__` does, or `NotImplemented`."""

# LOAD_NAME: in the body of a class within a function, for names of the module.
_GLOBAL = {"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
# What a function has that is made of nothing but its code: these attributes are empty.
_EMPTY = ("__annotations__", "__defaults__", "__kwdefaults__", "__type_params__")
_OF_MODULE = ("__name__", "__package__", "__path__", "__file__")
# Of a module: what makes it importable, which it is not.
_IMPORT_STATE = {"__builtins__", "__loader__", "__spec__", "__cached__"}


class Unloadable(Exception):
    """What could be loaded nowhere else.

    Attributes:
        fix: what to do.
    """

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.fix = fix


class _Uses(NamedTuple):
    names: tuple[str, ...]
    attributes: frozenset[str]
    imports: tuple[tuple[str, tuple[str, ...], int], ...]


_uses: weakref.WeakKeyDictionary[types.CodeType, _Uses] = weakref.WeakKeyDictionary()


class Namespace:
    """Stands for the global names of a module by value, for as long as one object is pickled."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def reduce(self) -> Any:
        """Return the recipe: what tells a module from another, all else comes with what uses it."""
        return rebuild.namespace, ({name: self.names[name] for name in _OF_MODULE if name in self.names},)


class FunctionReducers:
    """Says how functions and what they consist of are pickled. One for each object that is pickled as a whole."""

    def __init__(self) -> None:
        self._namespaces: dict[int, Namespace] = {}
        # Variables whose content comes with a function that is being written.
        self._promised: set[int] = set()
        # What code says of packages, and the packages that it may say it of, wherever they come from.
        self._attributes: set[str] = set()
        self._packages: dict[str, types.ModuleType] = {}

    def reduce_function(self, function: types.FunctionType) -> Any:
        """Return the recipe of a function by value.

        Raises:
            Unloadable: it imports, when called, a module that goes by value and is not here yet.
        """
        code = function.__code__
        uses = _uses_of(code)
        names = function.__globals__
        modules = self._imported(uses, names)
        used = {name: value for name in uses.names for value in _named(name, names)}
        cells = function.__closure__ or ()
        contents = [(cell, content) for cell in cells for content in _content(cell)]
        self._promised.update(id(cell) for cell, _ in contents)
        submodules = self._reached([*used.values(), *(content for _, content in contents)], uses.attributes)
        special = {name: value for name in _EMPTY if (value := getattr(function, name, None))}
        special |= {"__module__": function.__module__, "__doc__": function.__doc__}
        if function.__qualname__ != code.co_qualname:
            special["__qualname__"] = function.__qualname__
        return (
            rebuild.function,
            (code, self.namespace(names), function.__name__, function.__closure__, bool(modules)),
            (special, dict(function.__dict__), used, contents, submodules, modules),
            None,
            None,
            rebuild.fill_function,
        )

    def _imported(self, uses: _Uses, names: dict[str, Any]) -> dict[str, types.ModuleType]:
        modules: dict[str, types.ModuleType] = {}
        given = rebuild.imports_of(names)
        for name, items, level in uses.imports:
            for each, module in imported_by_value(name, items, level, names.get("__package__"), given).items():
                if module is None:
                    raise Unloadable(
                        f"it imports {each!r} when it is called, which is to go by value and is not imported yet",
                        f"Import {each} before saving, so that it can be stored",
                    )
                modules[each] = module
        return modules

    def _reached(self, values: Iterable[Any], attributes: frozenset[str]) -> list[types.ModuleType]:
        """Return the imported modules that code reaches as attributes of packages, and that have not come yet."""
        fresh = attributes - self._attributes
        self._attributes |= fresh
        waiting: list[tuple[types.ModuleType, Collection[str]]] = [(each, fresh) for each in self._packages.values()]
        for value in values:
            if (
                isinstance(value, types.ModuleType)
                and value.__name__ not in self._packages
                and is_module_by_name(value)
            ):
                waiting.append((value, self._attributes))
        found = []
        while waiting:
            package, names = waiting.pop()
            self._packages[package.__name__] = package
            for name in sorted(names):
                module = sys.modules.get(f"{package.__name__}.{name}")
                if isinstance(module, types.ModuleType) and module.__name__ not in self._packages:
                    found.append(module)
                    waiting.append((module, self._attributes))
        return found

    def namespace(self, names: dict[str, Any]) -> Namespace:
        """Return what stands for these global names, the same for all functions of one module."""
        return self._namespaces.setdefault(id(names), Namespace(names))

    def reduce_cell(self, cell: types.CellType) -> Any:
        """Return the recipe of a variable that closures share; its content may come with a function."""
        content = () if id(cell) in self._promised else tuple(_content(cell))
        return (rebuild.cell, (), content, None, None, rebuild.fill_cell) if content else (rebuild.cell, ())

    def reduce_module(self, module: types.ModuleType) -> Any:
        """Return the recipe of a module: by name, with what code reaches through it, or all that it holds."""
        if is_module_by_name(module):
            submodules = self._reached([module], frozenset())
            return (rebuild.package, (module.__name__, submodules)) if submodules else NotImplemented
        names = {name: value for name, value in vars(module).items() if name not in _IMPORT_STATE}
        return rebuild.module, (self.namespace(vars(module)),), names, None, None, rebuild.fill_module


def reduce_code(code: types.CodeType) -> Any:
    """Return the recipe of a code object, which says by which Python it was compiled."""
    try:
        content = marshal.dumps(code, 2)  # later forms differ by how often each constant is used elsewhere
    except ValueError:
        content = marshal.dumps(code)
    return rebuild.code, (rebuild.PYTHON, content)


def _content(cell: types.CellType) -> Iterator[Any]:
    try:
        yield cell.cell_contents
    except ValueError:  # not set yet
        return


def _uses_of(code: types.CodeType) -> _Uses:
    known = _uses.get(code)
    if known is None:
        names: dict[str, None] = {}
        attributes: set[str] = set()
        imports = []
        for part in with_inner(code):
            attributes.update(part.co_names)
            before: list[Any] = [None, None]
            for instruction in dis.get_instructions(part):
                if instruction.opname == "EXTENDED_ARG":
                    continue  # the upper bits of the number in the next one
                if instruction.opname in _GLOBAL:
                    names[instruction.argval] = None
                elif instruction.opname == "IMPORT_NAME":
                    level, items = before
                    imports.append((instruction.argval, tuple(items or ()), level if isinstance(level, int) else 0))
                before = [before[1], instruction.argval]
        known = _uses[code] = _Uses(tuple(names), frozenset(attributes), tuple(imports))
    return known


def _named(name: str, names: dict[str, Any]) -> Iterator[Any]:
    """Yield the value of a global name, unless every Python has it."""
    if name in names:
        yield names[name]
    elif name in vars(builtins):
        # Notebooks, profilers and translators add names of their own.
        value = vars(builtins)[name]
        module = getattr(value, "__module__", None) or type(value).__module__
        of_python = module.partition(".")[0] in sys.stdlib_module_names or module == "builtins"
        if not (of_python if callable(value) else value is ... or value is NotImplemented):
            yield value

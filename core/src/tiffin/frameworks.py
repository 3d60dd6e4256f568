"""`tiffin.<framework>`: save_model, load_model, get and get_runnable for every adapter, made from its hooks.

`import tiffin.<framework>` and `from tiffin.<framework> import save_model` work as well.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeVar

from tiffin import models
from tiffin.exceptions import AdapterNotFoundError, WrongFrameworkError
from tiffin.hints import install_hint
from tiffin.model import Model
from tiffin.plugins import Adapter, registry
from tiffin.tags import Tag

_PREFIX = "tiffin."
F = TypeVar("F", bound=Callable[..., Any])


def _with_arguments_of(function: Callable[..., Any], *, without: Sequence[str]) -> Callable[[F], F]:
    """Show a method's keyword arguments as another function's, which it hands them to, but for some."""

    def decorate(method: F) -> F:
        own, other = inspect.signature(method), inspect.signature(function)
        taken = [parameter for name, parameter in other.parameters.items() if name not in without]
        shown = own.replace(parameters=[own.parameters["self"], *taken])
        method.__signature__ = shown  # type: ignore[attr-defined]
        types = {name: kind for name, kind in function.__annotations__.items() if name not in without}
        method.__annotations__ = types
        return method

    return decorate


class Framework(ModuleType):
    """The module `tiffin.<framework>`. Answers with what the adapter called `name` does at the time of the call."""

    __all__ = ("get", "get_runnable", "load_model", "save_model")

    def __init__(self, module: str, name: str) -> None:
        super().__init__(module, f"Models of the framework {name!r}: save_model, load_model, get, get_runnable.")
        self._name = name

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__all__})

    def _adapter(self) -> Adapter:
        return registry().adapter(self._name)

    @_with_arguments_of(models.save, without=("framework", "store"))
    def save_model(self, name: str | Tag, model: object, **arguments: Any) -> Model:
        """Save an object of this framework as a new version; see `tiffin.save` for the arguments.

        Raises:
            ModelTypeError: the object is not one that this framework's adapter stores.
        """
        return models.save(name, model, framework=self._adapter().name, **arguments)

    def get(self, tag: str | Tag | Model) -> Model:
        """Return the handle on one version of this framework.

        Raises:
            ModelNotFoundError: there is no such version.
            WrongFrameworkError: another framework saved it.
        """
        model = tag if isinstance(tag, Model) else models.get(tag)
        name = self._adapter().name
        if model.framework != name:
            raise WrongFrameworkError(
                f"Model '{model.tag}' was saved by {model.framework or 'no adapter'}, not by {name}",
                why=f"tiffin.{name} reads only what it saved",
                fix=f"Try: tiffin.load('{model.tag}')",
                tag=str(model.tag),
                framework=model.framework,
            )
        return model

    def load_model(self, tag: str | Tag | Model, *, trust: bool = False, **options: Any) -> Any:
        """Load one version of this framework and return the object; see `tiffin.load`.

        Raises:
            SignatureError: the adapter has no such option.
            ModelNotFoundError: there is no such version.
            WrongFrameworkError: another framework saved it.
            UntrustedModelError: it comes from elsewhere, could run code, and is not trusted.
        """
        model = self.get(tag)
        return (model.with_options(**options) if options else model).load(trust=trust)

    def get_runnable(self, tag: str | Tag | Model) -> type[Any]:
        """Return the class that runs a version of this framework; an instance loads it.

        Raises:
            ModelNotFoundError: there is no such version.
            WrongFrameworkError: another framework saved it.
        """
        return self.get(tag).to_runnable()


class _FrameworkLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> Framework:
        return _module(spec.name.removeprefix(_PREFIX))

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete when made."""


def find_spec(fullname: str) -> ModuleSpec:
    """Return the spec of the module `tiffin.<framework>`.

    Raises:
        ModuleNotFoundError: there is no such adapter. What to install is said.
    """
    name = fullname.removeprefix(_PREFIX)
    if not registry().has(name):
        # Without a module's name in it: with one, `from tiffin import name` would hide this message.
        raise ModuleNotFoundError(str(_not_found(name)))
    return ModuleSpec(fullname, _FrameworkLoader())


def framework(name: str) -> Framework:
    """Return the module `tiffin.<name>`.

    Raises:
        AdapterNotFoundError: there is no such adapter. What to install is said.
        BrokenPluginError, PluginConflictError: there is one, and it cannot be used.
    """
    adapters = registry()
    if not adapters.has(name):
        sys.modules.pop(_PREFIX + name, None)  # of an adapter that was unregistered
        raise _not_found(name)
    adapters.adapter(name)  # a broken one says so here, not at the first call
    return _module(name)


def _module(name: str) -> Framework:
    main = registry().main_name(name)
    module = sys.modules.get(_PREFIX + main)
    if not isinstance(module, Framework):
        module = sys.modules[_PREFIX + main] = Framework(_PREFIX + main, main)
    sys.modules[_PREFIX + name] = module  # an alias is the same module
    return module


def _not_found(name: str) -> AdapterNotFoundError:
    close = get_close_matches(name, sys.modules["tiffin"].__dir__(), 1, 0.75)
    return AdapterNotFoundError(
        f"'tiffin.{name}' is neither a part of Tiffin nor an installed adapter "
        f"(installed: {', '.join(registry().names()) or 'none'})",
        fix=install_hint(name) or (f"Did you mean 'tiffin.{close[0]}'?" if close else ""),
        plugin=name,
    )

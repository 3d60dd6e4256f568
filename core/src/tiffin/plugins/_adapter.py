"""Adapter: one adapter plugin, ready to be called."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
from pluggy._hooks import varnames

from tiffin.exceptions import BrokenPluginError, EmptyAnswerError, HookError, ModelTypeError, PluginError
from tiffin.info import options_to_dict
from tiffin.plugins._adapter_info import AdapterInfo
from tiffin.plugins._claims import claims
from tiffin.plugins._manager import HookManager
from tiffin.plugins._saved import NotMine, Saved

WrapperSource = Callable[[], tuple[int, list[tuple[str, object]]]]


class Adapter:
    """One adapter plugin and the call to it.

    Each adapter has a hook manager of its own, with the wrappers of all other plugins around it. So a call can reach no
    other adapter, whatever is registered at the same time.

    Args:
        name: the framework's name.
        plugin: the module or object that implements the hooks.
        hooks: the hooks that it implements.
        wrappers: returns a number that changes when wrapping plugins come or go, and those plugins with their names.
    """

    def __init__(self, name: str, plugin: object, hooks: set[str], wrappers: WrapperSource) -> None:
        self.name = name
        self.plugin = plugin
        self.hooks = hooks
        self._wrappers = wrappers
        self._manager: tuple[int, HookManager] | None = None
        self._info: AdapterInfo | None = None

    def __repr__(self) -> str:
        return f"<Adapter {self.name!r}>"

    def _call(self, hook: str, **arguments: Any) -> Any:
        generation, wrappers = self._wrappers()
        cached = self._manager
        if cached is None or cached[0] != generation:
            manager = HookManager()
            manager.add(self.plugin, self.name)
            for name, plugin in wrappers:
                manager.add(plugin, name)
            self._manager = cached = (generation, manager)
        try:
            return getattr(cached[1].hook, hook)(**arguments)
        except ModuleNotFoundError as error:
            raise BrokenPluginError(
                f"The adapter {self.name!r} needs the module {error.name!r}, which is not installed here",
                why=f"Its {hook} asked for it: it is the framework, or code that the model uses",
                fix="Install what brings it",
                plugin=self.name,
            ) from error

    @property
    def info(self) -> AdapterInfo:
        """What the adapter says of itself; asked once.

        Raises:
            EmptyAnswerError, HookError: it does not say, or says it wrongly.
        """
        if self._info is None:
            try:
                answer = self._call("context_info")
            except Exception:
                self.info_unwrapped()  # raises if it is the adapter that fails; what another plugin raises stays as it is
                raise
            self._info = self._checked(answer)
        return self._info

    def info_unwrapped(self) -> AdapterInfo:
        """Return what the adapter says of itself without other plugins around, which may be broken. For reports."""
        manager = HookManager()
        manager.add(self.plugin, self.name)
        try:
            answer = manager.hook.context_info()
        except PluginError:
            raise
        # An adapter may fail in any way, and must not take others down with it; the cause is kept and shown.
        except Exception as error:
            raise BrokenPluginError(
                f"The adapter {self.name!r} cannot say what it is: {type(error).__name__}: {error}", plugin=self.name
            ) from error
        return self._checked(answer)

    def _checked(self, answer: Any) -> AdapterInfo:
        info = AdapterInfo.from_answer(answer, self.name)
        if info.framework and info.framework != self.name:
            raise HookError(
                f"The adapter {self.name!r} says that its framework is {info.framework!r}",
                why="A model records the name, and is loaded by the adapter that has it",
                fix="Give the entry point and the framework one name",
                plugin=self.name,
            )
        missing = [hook for hook in ("save", "load") if hook not in self.hooks]
        if missing:
            raise HookError(
                f"The adapter {self.name!r} has no hook {' and no hook '.join(map(repr, missing))}",
                why="An adapter writes a model's files and reads them back",
                fix="Write it, and mark it with @tiffin.hookimpl",
                plugin=self.name,
            )
        return info

    def stores_file(self, model: object) -> bool:
        """Tell whether `model` is a path that stands for the file or folder there: where the adapter takes such."""
        return (
            self.info.paths
            and isinstance(model, (str, os.PathLike))
            and not claims(type(model), [*self.info.types, *self.info.types_by_name])
        )

    def check_type(self, model: object) -> None:
        """Refuse an object that the adapter does not store, also if it is asked for by name.

        Raises:
            ModelTypeError: none of the adapter's types is the object's class or an ancestor of it.
        """
        kind = type(model)
        taken = [*self.info.types, *self.info.types_by_name]
        if not claims(kind, taken) and not self.stores_file(model):
            type_name = f"{kind.__module__}.{kind.__qualname__}"
            raise ModelTypeError(
                f"The adapter {self.name!r} does not store objects of type {type_name}",
                why="It stores " + (", ".join([*taken, *["files, by their path"] * self.info.paths]) or "nothing"),
                fix="tiffin.save(name, obj) finds the adapter by the object",
                framework=self.name,
                type_name=type_name,
            )

    def save(self, model: object, path: Path, options: Any) -> Saved:
        """Call the adapter's `save`; returns the options to record, and what is lost.

        Raises:
            NotMine: the adapter declines the object.
            HookError: it declines after it has written, or says wrongly what is lost.
        """
        try:
            answer = self._call("save", model=model, path=path, options=options)
        except NotMine as error:
            if any(path.iterdir()):
                raise HookError(
                    f"The adapter {self.name!r} declines an object after it has written files for it",
                    fix="Raise NotMine before anything is written",
                    plugin=self.name,
                ) from error
            raise
        saved = answer if isinstance(answer, Saved) else Saved(options=answer)
        if isinstance(saved.lost, str) or not all(isinstance(phrase, str) for phrase in saved.lost):
            raise HookError(
                f"The adapter {self.name!r} says with lost={saved.lost!r} what it does not keep",
                fix="Give a list of phrases",
                plugin=self.name,
            )
        if saved.options is None:
            return attrs.evolve(saved, options=options)
        if isinstance(saved.options, Mapping):
            # It names what changes. The user's own stay, partial kwargs among them, which an author hardly thinks of.
            return attrs.evolve(saved, options={**options_to_dict(options), **saved.options})
        return saved

    @property
    def builds(self) -> bool:
        """Whether its `load` takes `trusted`, and so leaves to core what code a stranger's files would run."""
        return "trusted" in varnames(self.plugin.load)[0]  # type: ignore[attr-defined]

    def load(
        self,
        path: Path,
        options: Any,
        *,
        trusted: bool = True,
        read: Any = None,
        custom_objects: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        """Call the adapter's `load` and return the object.

        Args:
            path: the part's folder.
            options: its options.
            trusted: whether code that is stored in the files may run.
            read: where it may not: returns what core builds of a file.
            custom_objects: the model's custom objects; each is loaded, and its trust checked, when it is asked for.

        Raises:
            EmptyAnswerError: it answered `None`.
        """
        loaded = self._call(
            "load", path=path, options=options, trusted=trusted, custom_objects=custom_objects, read=read
        )
        if loaded is None:
            raise EmptyAnswerError(
                f"The adapter {self.name!r} loaded nothing: its load returned None",
                why="A model cannot be None",
                fix="Report this to the adapter's authors",
                plugin=self.name,
            )
        return loaded

    def prepare(self, obj: Any, options: Any, custom_objects: Mapping[str, Any], device: str | None) -> Any:
        """Call the adapter's `prepare`; returns the object whose methods run: `obj` itself where it says nothing."""
        if "prepare" not in self.hooks:
            return obj
        prepared = self._call("prepare", obj=obj, options=options, custom_objects=custom_objects, device=device)
        return obj if prepared is None else prepared

    def get_runnable(self, model: Any) -> type[Any] | None:
        """Call the adapter's `get_runnable`; returns `None` where core's default is wanted."""
        if "get_runnable" not in self.hooks:
            return None
        runnable: type[Any] | None = self._call("get_runnable", model=model)
        return runnable

    def values(self) -> Any:
        """Call the adapter's `values`; returns a list of its answers."""
        return self._call("values")

    def read_foreign(self, foreign: Any) -> Any:
        """Call the adapter's `read_foreign`; returns `None` where the adapter does not read the model."""
        return self._call("read_foreign", foreign=foreign) if "read_foreign" in self.hooks else None

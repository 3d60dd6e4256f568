"""Adapter: one adapter plugin, ready to be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pluggy._hooks import varnames

from tiffin.exceptions import BrokenPluginError, EmptyAnswerError, HookError, ModelTypeError, PluginError
from tiffin.plugins._adapter_info import AdapterInfo
from tiffin.plugins._claims import claims
from tiffin.plugins._manager import HookManager

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
        return getattr(cached[1].hook, hook)(**arguments)

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
        return info

    def check_type(self, model: object) -> None:
        """Refuse an object that the adapter does not claim.

        Raises:
            ModelTypeError: none of the adapter's types is the object's class or an ancestor of it.
        """
        kind = type(model)
        if not claims(kind, self.info.types):
            type_name = f"{kind.__module__}.{kind.__qualname__}"
            raise ModelTypeError(
                f"The adapter {self.name!r} does not store objects of type {type_name}",
                why="It stores " + (", ".join(self.info.types) or "nothing"),
                fix="tiffin.save(name, obj) finds the adapter by the object",
                framework=self.name,
                type_name=type_name,
            )

    def save(self, model: object, path: Any, options: Any) -> Any:
        """Call the adapter's `save`; returns changed options, or `None`.

        Raises:
            HookError: the adapter cannot save.
        """
        self._require("save", "save models")
        return self._call("save", model=model, path=path, options=options)

    @property
    def builds(self) -> bool:
        """Whether its `load` takes `trusted`, and so leaves to core what code a stranger's files would run."""
        return "load" in self.hooks and "trusted" in varnames(self.plugin.load)[0]  # type: ignore[attr-defined]

    def load(self, path: Any, options: Any, *, trusted: bool = True, read: Any = None) -> Any:
        """Call the adapter's `load` and return the object.

        Args:
            path: the part's folder.
            options: its options.
            trusted: whether code that is stored in the files may run.
            read: where it may not: returns what core builds of a file.

        Raises:
            HookError: the adapter cannot load.
            EmptyAnswerError: it answered `None`.
        """
        self._require("load", "load models")
        loaded = self._call("load", path=path, options=options, trusted=trusted, read=read)
        if loaded is None:
            raise EmptyAnswerError(
                f"The adapter {self.name!r} loaded nothing: its load returned None",
                why="A model cannot be None",
                fix="Report this to the adapter's authors",
                plugin=self.name,
            )
        return loaded

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

    def _require(self, hook: str, purpose: str) -> None:
        if hook not in self.hooks:
            raise HookError(
                f"The adapter {self.name!r} cannot {purpose}: it has no hook {hook!r}",
                fix="Report this to the adapter's authors",
                plugin=self.name,
            )

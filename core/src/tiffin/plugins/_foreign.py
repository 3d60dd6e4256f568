"""Models that other tools wrote: which plugins are asked about them, and which adapters."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from tiffin.exceptions import PluginConflictError, PluginWarning
from tiffin.plugins._adapter import Adapter
from tiffin.plugins._foreign_model import ForeignModel, ForeignReading
from tiffin.plugins._foreign_tool import ForeignTool
from tiffin.plugins._joined_answers import joined
from tiffin.plugins._registry import registry


def foreign_tools() -> list[ForeignTool]:
    """Return the tools whose models the installed plugins know; loads the plugins that are not adapters.

    Raises:
        HookError: a plugin answers with something else.
    """
    why = "Whether an archive is another tool's is asked before it is refused"
    return joined(registry().broadcast().foreign_models(), ForeignTool, "foreign_models", why)


def find_reader(models: Iterable[ForeignModel]) -> tuple[ForeignModel, Adapter, ForeignReading] | None:
    """Return the first of these descriptions that an installed adapter reads, the adapter, and its answer.

    Asks every adapter; imports their modules, no framework. Of several that read it the nearest one counts: the one that has
    the name of what wrote it, or claims a class of a package of that name; those that claim any object come last.

    Args:
        models: descriptions of one model, the one to prefer first.

    Raises:
        PluginConflictError: two adapters are equally near.
        HookError: an adapter answers wrongly.
    """
    plugins = registry()
    plugins.broadcast()  # a plugin that cannot be used stops the import here; else it would look like broken adapters
    adapters, broken = plugins.usable()
    for model in models:
        answers = []
        for adapter in adapters.values():
            reading = ForeignReading.from_answer(adapter.read_foreign(model), adapter.name)
            if reading is not None:
                answers.append((model, adapter, reading))
        nearest = min((_distance(model, adapter) for _, adapter, _ in answers), default=0)
        answers = [answer for answer in answers if _distance(model, answer[1]) == nearest]
        if len(answers) > 1:
            names = [adapter.name for _, adapter, _ in answers]
            raise PluginConflictError(
                f"The adapters {' and '.join(names)} both read what {model.tool} calls {model.kind!r}",
                why="Which of them is meant cannot be told",
                fix=f"Switch one off: TIFFIN_DISABLE_PLUGINS={names[-1]}",
                plugin=names[0],
                distributions=tuple(names),
            )
        if answers:
            return answers[0]
    if broken:
        warnings.warn(
            f"Looked for an adapter without {', '.join(broken)}, which cannot be used; 'tiffin plugins list' shows why",
            PluginWarning,
            stacklevel=2,
        )
    return None


def _distance(model: ForeignModel, adapter: Adapter) -> int:
    written_by = model.kind.rpartition(".")[2]
    claimed = [*adapter.info.types, *adapter.info.types_by_name]
    if registry().main_name(written_by) == adapter.name or written_by in {name.partition(".")[0] for name in claimed}:
        return 0
    return 2 if "builtins.object" in claimed else 1

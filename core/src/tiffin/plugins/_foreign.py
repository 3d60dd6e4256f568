"""Models that other tools wrote: what adapters are asked about them, what they answer, and who is asked."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from tiffin.exceptions import HookError, PluginConflictError, PluginWarning
from tiffin.plugins._adapter import Adapter
from tiffin.plugins._registry import registry


@attrs.frozen(kw_only=True)
class ForeignModel:
    """A model that another tool wrote, as its record describes it.

    All of it comes from whoever made the archive. Nothing in it may name a module to import, or be run.

    Attributes:
        tool: the tool, in lower case: "bentoml" or "mlflow".
        kind: what of the tool wrote the files: the module that a model of BentoML's names, or one of the flavors in MLflow.
        fields: what the record says of that: a flavor's own fields, or `options` and `api_version`. Plain values.
        files: path, with "/" → size in bytes, of all files but BentoML's own record.
    """

    tool: str
    kind: str
    fields: Mapping[str, Any]
    files: Mapping[str, int]


@attrs.frozen(kw_only=True)
class ForeignReading:
    """How an adapter will read a model that another tool wrote; `read_foreign` returns one, or a dict with these fields.

    Attributes:
        renames: path → path that the file gets, so that the adapter's `load` finds it and its `code_files` and `code_readers`
            fit it. Files that are not named stay where they are.
        options: options to record, which `load` receives.
        versions: distribution → version that wrote the files, where the fields tell it.
        signatures: method → signature, where the adapter knows better than the record.
        not_kept: what is lost, each as a phrase that users read.
    """

    renames: Mapping[str, str] = attrs.field(factory=dict)
    options: Mapping[str, Any] = attrs.field(factory=dict)
    versions: Mapping[str, str] = attrs.field(factory=dict)
    signatures: Mapping[str, Any] | None = None
    not_kept: Sequence[str] = ()

    @classmethod
    def from_answer(cls, answer: Any, plugin: str) -> ForeignReading | None:
        """Return what `read_foreign` answered as a `ForeignReading`; `None` stays `None`.

        Raises:
            HookError: it is something else.
        """
        if answer is None or isinstance(answer, cls):
            return answer
        known = [field.name for field in attrs.fields(cls)]
        if isinstance(answer, Mapping) and all(name in known for name in answer):
            return cls(**answer)
        raise HookError(
            f"The adapter {plugin!r} answers read_foreign with {answer!r}",
            why="Known fields are " + ", ".join(known),
            fix="Return a ForeignReading or a dict with some of its fields, or None",
            plugin=plugin,
        )


def find_reader(models: Iterable[ForeignModel]) -> tuple[ForeignModel, Adapter, ForeignReading] | None:
    """Return the first of these descriptions that an installed adapter reads, the adapter, and its answer.

    Asks every adapter; imports their modules, no framework.

    Args:
        models: descriptions of one model, the one to prefer first.

    Raises:
        PluginConflictError: two adapters read it.
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

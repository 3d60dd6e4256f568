"""The runtime environment of a worker's actor: variables of the worker, and packages as a model's record has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from tiffin import Model
from tiffin.plugins import registry

RECORD = "record"
"""What `runtime_env=` may be in place of a runtime environment: the versions that the models were saved with."""
_LEFT_TO_RAY = ("CUDA_VISIBLE_DEVICES",)


def runtime_environment(
    given: Mapping[str, Any] | str | None, variables: Mapping[str, str], models: Iterable[Any]
) -> dict[str, Any]:
    """Return the runtime environment of one worker.

    Args:
        given: one of Ray's, `RECORD` for the packages of the models' records, or `None`.
        variables: environment variables of the worker; those of `given` come before. Which GPUs it sees is left to Ray.
        models: the models that it uses.
    """
    made: dict[str, Any]
    if isinstance(given, str):
        made = {"pip": recorded_environment(model for model in models if isinstance(model, Model))}
    else:
        made = dict(given or {})
    own = {name: value for name, value in variables.items() if name not in _LEFT_TO_RAY}
    return {**made, "env_vars": {**own, **made.get("env_vars", {})}}


def recorded_environment(models: Iterable[Model]) -> list[str]:
    """Return requirements of the versions that models were saved with, for pip, sorted.

    Beside what their records name: Tiffin, their adapters and this package, as they are installed here.

    Args:
        models: the models.
    """
    needed = {name: version(name) for name in ("tiffin", "tiffin-ray")}
    adapters = {plugin.name: plugin for plugin in registry().describe() if plugin.kind == "adapter"}
    for model in models:
        needed |= model.info.context.framework_versions
        adapter = adapters.get(model.framework)
        if adapter is not None and adapter.version:
            needed[adapter.distribution] = adapter.version
    return sorted(f"{name}=={number}" for name, number in needed.items())

"""The back end `ray`: where a runner's workers are actors of a Ray cluster."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tiffin import Model
from tiffin.config import config_path, section
from tiffin.exceptions import ConfigError, RunnerNotReadyError, RunnerOptionError
from tiffin.models import reference
from tiffin.runners import Worker, WorkerSpec
from tiffin_ray._environments import RECORD, runtime_environment
from tiffin_ray._worker import RayWorker

GPU = "nvidia.com/gpu"
_SETTINGS: Mapping[str, tuple[type, ...]] = {
    "address": (str,),
    "remote": (str,),
    "runtime_env": (str, dict),
    "num_cpus": (int, float),
    "num_gpus": (int, float),
    "memory": (int, float),
    "resources": (dict,),
    "accelerator_type": (str,),
    "scheduling_strategy": (str,),
    "label_selector": (dict,),
}
_OWN = frozenset({"address", "remote", "runtime_env"})
_FIXED = frozenset({"max_concurrency", "max_restarts", "max_task_retries", "lifetime", "name", "runtime_env"})
"""Options of actors that are the back end's business, or its own argument."""
_lock = threading.Lock()


class RayBackend:
    """Runs each worker in an actor of a Ray cluster; batching stays in the process that has the runner.

    The models that a runner uses go along as tag and digest. On its node an actor takes them from the store there, or pulls
    them, before it makes the runnable.

    Args:
        address: the cluster's, as for `ray.init`. `None`: the one that this process is connected to, or that `RAY_ADDRESS`
            names, or that runs on this machine; or else a new one on this machine.
        actor_options: options of Ray's for each actor: `num_cpus` (1 unless given), `num_gpus` (1 for models that run on GPUs
            only, else 0), `memory` in bytes, `resources`, `scheduling_strategy`, … Or a function that is given the worker's
            `WorkerSpec` and returns them: so each worker is placed where it belongs.
        remote: where nodes pull a model from that their store lacks: a remote's name, or a URL.
        runtime_env: a runtime environment of Ray's for the actors; "record" has one made by pip of the versions that the
            models were saved with.

    Raises:
        RunnerOptionError: an actor's option is one that the back end sets itself.
    """

    inline = False
    takes_ahead = True

    def __init__(
        self,
        *,
        address: str | None = None,
        actor_options: Mapping[str, Any] | Callable[[WorkerSpec], Mapping[str, Any]] | None = None,
        remote: str | None = None,
        runtime_env: Mapping[str, Any] | str | None = None,
    ) -> None:
        if isinstance(runtime_env, str) and runtime_env != RECORD:
            raise RunnerOptionError(
                f"runtime_env={runtime_env!r:.80}",
                fix=f"Give {RECORD!r}, or a runtime environment as Ray takes it, a dict",
                runner="",
            )
        self._address, self._remote, self._runtime_env = address, remote, runtime_env
        self._options = actor_options
        if not callable(actor_options):
            self._checked(actor_options or {})

    @classmethod
    def configured(cls) -> RayBackend:
        """Return the back end as the section `[ray]` of config.toml says.

        Raises:
            ConfigError: a setting is unknown, or of the wrong type.
        """
        found = section("ray", tuple(_SETTINGS))
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, _SETTINGS[name]):
                path = str(config_path())
                kinds = " or ".join(kind.__name__ for kind in _SETTINGS[name])
                raise ConfigError(f"{name} = {value!r:.80} in the section [ray] of {path} is not {kinds}", path=path)
        options = {name: value for name, value in found.items() if name not in _OWN}
        own = {name: value for name, value in found.items() if name in _OWN}
        return cls(actor_options=options, **own)

    def create_worker(self, spec: WorkerSpec) -> Worker:
        """Return a new worker, whose actor `start` makes."""
        return RayWorker(spec, self)

    def connect(self) -> None:
        """Connect this process to the cluster, unless it is.

        Raises:
            RunnerNotReadyError: there is no cluster at the address.
        """
        import ray

        with _lock:
            if ray.is_initialized():
                return
            common: dict[str, Any] = {"logging_level": logging.WARNING}
            address = self._address or os.environ.get("RAY_ADDRESS")
            try:
                try:
                    ray.init(address=address or "auto", **common)
                except ConnectionError:
                    if address:
                        raise
                    ray.init(include_dashboard=False, **common)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise RunnerNotReadyError(
                    f"Cannot connect to a Ray cluster{f' at {address!r}' if address else ''}: {error}",
                    fix="Start one with 'ray start --head', and name its address in RAY_ADDRESS or in [ray] of config.toml",
                    runner="",
                ) from error

    def options_for(self, spec: WorkerSpec) -> dict[str, Any]:
        """Return Ray's options for the actor of a worker.

        Raises:
            RunnerOptionError: one of them is the back end's own business.
        """
        chosen = self._checked(self._options(spec) if callable(self._options) else self._options or {})
        only_gpus = set(getattr(spec.runnable_class, "SUPPORTED_RESOURCES", ())) == {GPU}
        return {
            "num_cpus": 1,
            **({"num_gpus": 1} if only_gpus else {}),
            **chosen,
            "max_restarts": 0,
            "runtime_env": runtime_environment(self._runtime_env, spec.environment, spec.models),
        }

    def references_for(self, spec: WorkerSpec) -> list[Any]:
        """Return references to the stored models that a worker uses."""
        return [reference(model, remote=self._remote) for model in spec.models if isinstance(model, Model)]

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        for name in options:
            if name in _FIXED:
                raise RunnerOptionError(
                    f"The actor option {name!r} is not for actor_options",
                    why="The runner starts, calls and replaces the actors itself",
                    fix="Give runtime_env= to RayBackend" if name == "runtime_env" else "Leave it out",
                    runner="",
                )
        return dict(options)

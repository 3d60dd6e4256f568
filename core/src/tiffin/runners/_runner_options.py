"""What a runner is made with: names that must do for logs and processes, and options that people know from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tiffin.exceptions import RunnerOptionError
from tiffin.showing import close_names

DEFAULT_BATCH_SIZE = 100
_LONGEST_NAME = 200
_INSTEAD = {
    "workers_per_resource": "Write workers=…, the number of copies of the model, and backend='process'",
    "scheduling_strategy": "Write workers=…, and resources=… for what each worker may use",
    "traffic": "Write max_concurrency=…, or runner.predict.options(timeout=…) for one call",
    "batching": "Write max_batch_size=… and max_latency_ms=…",
    "timeout": "Write method_configs={'method': {'timeout': seconds}}, or runner.method.options(timeout=…) for one call",
}


def refuse_arguments(misplaced: Sequence[Any], unknown: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise RunnerOptionError for options without a name, or with one that does not exist."""
    if misplaced:
        raise RunnerOptionError(
            f"A runner was given {', '.join(repr(value)[:80] for value in misplaced)} without a name",
            why="Options are told apart by their names",
            fix=f"Write name=…, max_batch_size=… and so on; known: {', '.join(known)}",
            runner="",
        )
    if unknown:
        option, value = next(iter(unknown.items()))
        close = close_names(option, known, 1)
        raise RunnerOptionError(
            f"A runner has no option {option!r} (given: {value!r:.80})",
            why=f"Known: {', '.join(known)}",
            fix=_INSTEAD.get(option) or (f"Did you mean {close[0]!r}?" if close else "Leave it out"),
            runner="",
        )


def _are_mappings(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, Mapping) for item in value.values())


def _are_sequences(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, (tuple, list)) for item in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1


_FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "method_configs": (_are_mappings, "Write method_configs={'method': {'max_batch_size': 32}}"),
    "runnable_init_params": (
        lambda value: isinstance(value, Mapping),
        "Write runnable_init_params={'name': value}, the keyword arguments that the class is made with",
    ),
    "warm_up": (_are_sequences, "Write warm_up={'method': (x,)}, the positional arguments of a call"),
    "max_queue_rows": (_is_number, "It is 1 or more"),
    "resources": (
        callable,
        "Copies of the model are workers=…, and an adapter, or SUPPORTED_RESOURCES of the runnable, says whether each has a "
        "GPU of its own. For threads and GPUs of your choice give a function that returns the environment variables of a "
        "worker: resources=lambda index, workers, processors, runnable: {'OMP_NUM_THREADS': '2'}",
    ),
    "clock": (callable, "It is a function that returns seconds, as time.monotonic"),
}
"""What some options have to be, and what to write."""


def check_forms(**given: Any) -> None:
    """Raise RunnerOptionError for the first of these options that is not of the form that it has to be."""
    for option, value in given.items():
        fits, fix = _FORMS[option]
        if not fits(value):
            raise RunnerOptionError(f"{option}={value!r:.80}", fix=fix, runner="")


def check_name(name: Any) -> None:
    """Raise RunnerOptionError if a name cannot stand in logs, metrics, errors and the list of processes."""
    if not (isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()):
        raise RunnerOptionError(
            f"name={name!r:.80}",
            why="It stands in logs, metrics, errors and the list of processes",
            fix=f"It is a text of 1 to {_LONGEST_NAME} printable characters, without spaces around it",
            runner="",
        )

"""Sessions of ONNX Runtime: how one is opened, and how its `run` is called."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tiffin.exceptions import SignatureError, StoreError

from ._names import RUNTIME, argument_names

_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_MODES = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}
# A closed list: other settings of the runtime's write files, or load libraries, and options come with a stranger's model.
_SETTINGS: dict[str, Any] = {
    "intra_op_num_threads": int, "inter_op_num_threads": int, "log_severity_level": int,
    "graph_optimization_level": _LEVELS, "execution_mode": _MODES, "enable_cpu_mem_arena": bool,
    "enable_mem_pattern": bool, "enable_mem_reuse": bool, "use_deterministic_compute": bool,
}  # fmt: skip
_NAMES_FILES = re.compile(r"[/\\]|path|lib|dir|file|plugin", re.IGNORECASE)
_GPU = "CUDAExecutionProvider"
_USUAL = (_GPU, "CPUExecutionProvider")


def check(options: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return the providers that options name, each with its settings, once all options are in order.

    Raises:
        SignatureError: a setting is none of those that may be given.
    """
    for name, value in options["session"].items():
        wanted = _SETTINGS.get(name)
        if wanted is None or not (value in wanted if isinstance(wanted, dict) else type(value) is wanted):
            known = (
                ", ".join(wanted)
                if isinstance(wanted, dict)
                else getattr(wanted, "__name__", "no setting of this name")
            )
            raise SignatureError(
                f"session={{{name!r}: {value!r}}} is no setting of a session's: {known}",
                why="Those that may be given are " + ", ".join(_SETTINGS),
                method="",
            )
    return [_provider(one) for one in options["providers"]]


def _provider(one: Any) -> tuple[str, dict[str, str]]:
    name, settings = (one, {}) if isinstance(one, str) else one
    for key, value in settings.items():
        text = f"{key} {value}".lower()
        if not isinstance(value, (str, int, float)) or any(
            word in text for word in ("/", "\\", "path", "lib", "dir", "file")
        ):
            raise SignatureError(
                f"The provider {name!r} is given {key}={value!r}",
                why="Options are stored, and a setting that names files could run code where the model is loaded",
                fix="Leave it out, or make the session yourself in a tiffin.Runnable",
                method="",
            )
    return name, {key: str(value) for key, value in settings.items()}


def open_session(source: Any, options: Mapping[str, Any], *, folds: bool = True) -> Any:
    """Return a session of a file, or of a proto.

    Args:
        source: a path, or the proto.
        options: the adapter's.
        folds: whether the runtime computes now what does not depend on the inputs.

    Raises:
        StoreError: there is no runtime, or it does not take the model.
        SignatureError: an option is not in order, or a provider is not there.
    """
    wanted = check(options)
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise StoreError(
            "ONNX Runtime is not installed, which runs models of ONNX",
            fix="Install onnxruntime, or onnxruntime-gpu where there is a GPU",
            path="",
        ) from error
    available = onnxruntime.get_available_providers()
    missing = [name for name, _ in wanted if name not in available]
    if missing:
        raise SignatureError(
            f"This build of ONNX Runtime has no provider {missing[0]!r}",
            why="It has " + ", ".join(available),
            fix="Install the build that has it, or load with others: tiffin.load(tag, providers=['CPUExecutionProvider'])",
            method="",
        )
    try:
        return onnxruntime.InferenceSession(
            str(source) if isinstance(source, Path) else source.SerializeToString(),
            _settings(onnxruntime, options["session"]),
            providers=wanted or [(name, {}) for name in _USUAL if name in available and _is_wanted(name)],
            disabled_optimizers=None if folds else ["ConstantFolding"],
        )
    except Exception as error:  # the runtime's errors have no class in common
        raise StoreError(
            f"ONNX Runtime does not take the model: {error}",
            why="It is damaged or incomplete, or needs operators that this version of the runtime does not have",
            fix="Compare the model's digests (tiffin models verify), or install a newer runtime",
            path=str(source) if isinstance(source, Path) else "",
        ) from error


def _is_wanted(provider: str) -> bool:
    # A worker that is to stay on the CPU sees no GPU.
    return provider != _GPU or os.environ.get("CUDA_VISIBLE_DEVICES") != ""


def _settings(onnxruntime: Any, given: Mapping[str, Any]) -> Any:
    made = onnxruntime.SessionOptions()
    # The runtime's own pool of threads does not look at what a worker is given.
    made.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0").partition(",")[0] or 0)
    enumerations = {
        "graph_optimization_level": (onnxruntime.GraphOptimizationLevel, _LEVELS),
        "execution_mode": (onnxruntime.ExecutionMode, _MODES),
    }
    for name, value in given.items():
        if name in enumerations:
            kind, names = enumerations[name]
            value = getattr(kind, names[value])
        setattr(made, name, value)
    return made


class Running:
    """A session as runners call it.

    Args:
        session: the session.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.run = _Run(session)


class _Run:
    """Calls a session with its inputs as arguments; those that have a value in the model may be left out."""

    def __init__(self, session: Any) -> None:
        self._session = session
        required, optional = session.get_inputs(), session.get_overridable_initializers()
        names = argument_names(value.name for value in (*required, *optional))
        self._inputs = dict(zip(names, (*required, *optional), strict=True))
        self._arguments = {value.name: name for name, value in self._inputs.items()}
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature(
            [
                inspect.Parameter(name, kind, default=inspect.Parameter.empty if i < len(required) else None)
                for i, name in enumerate(names)
            ]
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output, or a tuple of several."""
        named = {self._arguments.get(name, name): value for name, value in kwargs.items()}
        bound = self.__signature__.bind(*args, **named).arguments
        feed = {self._inputs[name].name: _fitting(value, self._inputs[name]) for name, value in bound.items()}
        answers = self._session.run(None, feed)
        return answers[0] if len(answers) == 1 else tuple(answers)


def _fitting(value: Any, wanted: Any) -> Any:
    """Return a value as an array of the elements that an input takes: of another width, but not of another kind."""
    dtype = RUNTIME.get(wanted.type)
    if dtype is None:
        return np.asarray(value, dtype=object) if wanted.type == "tensor(string)" else value
    array = np.asarray(value)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(f"the input {wanted.name!r} takes {dtype}, and was given {array.dtype}: convert it first")
    return array.astype(dtype, copy=False)

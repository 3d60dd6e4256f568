"""MLflow's custom Python models (`mlflow.pyfunc.PythonModel`), loaded as MLflow does it, without it where they can be."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import pickling
from tiffin.exceptions import PicklingError

FILE = "python_model.pkl"
"""The file by which such a model is known."""
_RECORD = "MLmodel"


class Context:
    """What `load_context` and `predict` are given.

    Attributes:
        artifacts: name → path of a file or folder of the model.
        model_config: the model's settings.
    """

    def __init__(self, artifacts: dict[str, str], model_config: dict[str, Any]) -> None:
        self.artifacts = artifacts
        self.model_config = model_config


class PythonFunction:
    """A custom Python model, called without its context.

    Args:
        model: the model.
        context: what its own methods are given.
    """

    def __init__(self, model: Any, context: Context) -> None:
        self._model = model
        self._context = context

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return what the model answers.

        Args:
            model_input: passed on as it is: MLflow's conversions by signature and type hints are not made.
            params: passed on where the model's own `predict` takes them.
        """
        taken = inspect.signature(self._model.predict).parameters
        keywords = {"params": params} if "params" in taken else {}
        arguments = (self._context, model_input) if "context" in taken else (model_input,)
        return self._model.predict(*arguments, **keywords)

    def unwrap_python_model(self) -> Any:
        """Return the model itself, which has further methods."""
        return self._model


class _PythonModel:
    """Stands for the base class of custom models, where MLflow is not installed."""

    def load_context(self, context: Context) -> None:
        """Do nothing, as MLflow's own does."""


class _TypeHints:
    """Stands for the note of a model's type hints, where MLflow is not installed."""


_STAND_INS = {
    ("mlflow.pyfunc.model", "PythonModel"): _PythonModel,
    ("mlflow.models.signature", "_TypeHints"): _TypeHints,
}


class _Unpickler(pickling.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names; of MLflow's, a stand-in where it is not installed."""
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError as error:
            if error.name != "mlflow" or (module, name) not in _STAND_INS:
                raise
            return _STAND_INS[module, name]


def load(path: Path) -> PythonFunction:
    """Load a custom Python model. Runs code that is stored in it.

    Args:
        path: the folder, with MLflow's record.

    Raises:
        PicklingError: it needs a module that is not installed, or its files are not as MLflow writes them.
    """
    context = Context(*_settings(path))
    try:
        with (path / FILE).open("rb") as file:
            model = _Unpickler(file).load()
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise PicklingError(
            f"The custom model in '{path / FILE}' needs the module {error.name!r}, which is not installed",
            why="It uses more of MLflow than its base class" if package == "mlflow" else "",
            fix=f"Install the package that provides {package!r}, in the version that the model was saved with",
            path=str(path / FILE),
            module=error.name,
        ) from error
    model.load_context(context)
    return PythonFunction(model, context)


def _settings(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    import yaml

    try:
        record = yaml.safe_load((path / _RECORD).read_bytes())
        fields = record["flavors"]["python_function"]
        artifacts = {name: _below(path, entry["path"]) for name, entry in (fields.get("artifacts") or {}).items()}
        config = fields.get("config") or {}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise PicklingError(
            f"The record '{path / _RECORD}' is not one of a custom Python model: {error!r}",
            fix="Import the model again",
            path=str(path / _RECORD),
        ) from error
    return artifacts, dict(config) if isinstance(config, Mapping) else {}


def _below(path: Path, relative: str) -> str:
    if relative.startswith("/") or ".." in relative.split("/"):
        raise ValueError(f"{relative!r} lies outside the model")
    return str(path / relative)

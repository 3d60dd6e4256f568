"""Tiffin's adapter for ONNX: protos and files, which become sessions of ONNX Runtime when they are loaded.

Loading runs no code that is stored in the files: operators are those of the runtime, and libraries of others are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiffin import AdapterInfo, hookimpl
from tiffin.plugins import ForeignModel, ForeignReading, reading_of_file


@hookimpl
def context_info() -> AdapterInfo:
    """Describe the adapter: it stores protos, and files where it is asked for by name; what is loaded is a session."""
    runtimes = ["onnxruntime", *(f"onnxruntime-{kind}" for kind in ("gpu", "openvino", "directml", "rocm", "qnn"))]
    return AdapterInfo(
        types=["onnx.ModelProto"],
        paths=True,
        loads_as_other=True,
        distributions=["onnx", runtimes],
        signatures=default_signatures,
        options={"providers": [], "session": {}},
        code_files=[],
        resources=["nvidia.com/gpu", "cpu"],
        cpu_multi_threading=True,
        holds_gil=False,
    )


@hookimpl
def save(model: Any, path: Path, options: Mapping[str, Any]) -> None:
    """Write the proto; a file is copied, and with it the files in which its weights are."""
    from ._graph import write
    from ._session import check

    check(options)
    write(model, path)


@hookimpl
def load(path: Path, options: Mapping[str, Any], trusted: bool) -> Any:
    """Return a session on the providers that the options name, else on a GPU where the runtime sees one, else on the CPU.

    What is not trusted is not computed in advance: a product of large constants takes hours, and is written in 200 bytes.
    """
    from ._session import open_session

    return open_session(path / "model.onnx", options, folds=trusted)


@hookimpl
def prepare(obj: Any, options: Mapping[str, Any]) -> Any:
    """Return an object whose `run` takes the inputs by position or name, and returns the output, or a tuple of several."""
    from ._session import Running, open_session

    return Running(open_session(obj, options) if hasattr(obj, "SerializeToString") else obj)


@hookimpl
def read_foreign(foreign: ForeignModel) -> ForeignReading | None:
    """Take what BentoML's module and MLflow's flavor wrote, which is the same file, on the providers that are usual here."""
    kinds = {"bentoml.onnx": "saved_model.onnx", "onnx": "model.onnx"}
    return reading_of_file(foreign, kinds, "model.onnx", not_kept=["providers and settings of its sessions"])


def default_signatures(model: Any) -> dict[str, Any]:
    """Return the signature of `run`, as the graph tells it: with specs, batchable where the first axis of all is free."""
    from ._graph import signature_of

    return {"run": signature_of(model)}

"""What a proto says of itself: its inputs and outputs, and the files in which its weights are."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import onnx

from tiffin.exceptions import StoreError

from ._names import argument_names, dtype_of

_FIX = "Write it to a file with all that belongs to it, and give the file's path: tiffin.onnx.save_model(name, path)"


def write(model: Any, folder: Path) -> None:
    """Write a proto or a copy of a file, as model.onnx, and the files that it refers to beside it.

    Raises:
        StoreError: it is no ONNX model, or is not complete.
    """
    if not isinstance(model, Path):
        if any(True for _ in _locations(model)):
            raise StoreError("The proto's weights are in files, and where these are cannot be told", fix=_FIX, path="")
        try:
            (folder / "model.onnx").write_bytes(model.SerializeToString())
        except Exception as error:  # protobuf has no public class for messages beyond its limit of 2 GiB
            raise StoreError(f"The proto cannot be written: {error}", fix=_FIX, path="") from error
        return
    proto = _read(model)
    shutil.copyfile(model, folder / "model.onnx")
    for location in sorted(set(_locations(proto))):
        place = PurePosixPath(location)
        if place.is_absolute() or ".." in place.parts or location in ("model.onnx", "model.yaml"):
            raise StoreError(
                f"The model '{model}' has weights in '{location}'",
                why="Such a file cannot lie beside the model",
                fix="Save the weights beside it first: onnx.save_model(…, save_as_external_data=True)",
                path=location,
            )
        source, target = model.parent / place, folder / place
        if not source.is_file():
            raise StoreError(
                f"The model '{model}' has weights in '{location}', and there is no such file beside it",
                fix="Put it there",
                path=str(source),
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def signature_of(model: Any) -> dict[str, Any]:
    """Return what the graph of a proto or file says of `run`."""
    graph = (_read(model) if isinstance(model, Path) else model).graph
    given = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in given]
    names = argument_names(value.name for value in inputs)
    specs = [_spec(value) for value in inputs]
    outputs = [_spec(value) for value in graph.output]
    signature: dict[str, Any] = {"batchable": _is_batchable(inputs, graph.output)}
    if specs and all(specs):
        several = {"type": "arguments", "properties": dict(zip(names, specs, strict=True))}
        signature["input_spec"] = several if specs[1:] else specs[0]
    if outputs and all(outputs):
        signature["output_spec"] = {"type": "tuple", "items": outputs} if outputs[1:] else outputs[0]
    return signature


def _read(path: Path) -> Any:
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder; give the path of the file of ONNX in it")
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # what is no proto fails in protobuf's ways, which differ by its version
        raise StoreError(
            f"'{path}' cannot be read as a model of ONNX: {error}", fix="Give the path of one", path=str(path)
        ) from error


def _locations(model: Any) -> Iterator[str]:
    """Yield the files that a proto's tensors are in."""
    nodes = [node for function in model.functions for node in function.node]
    for tensor in _tensors(model.graph.initializer, [*model.graph.node, *nodes]):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield from (entry.value for entry in tensor.external_data if entry.key == "location")


def _tensors(initializers: Iterable[Any], nodes: Iterable[Any]) -> Iterator[Any]:
    yield from initializers
    for node in nodes:
        for attribute in node.attribute:
            yield from [attribute.t, *attribute.tensors]
            for graph in (attribute.g, *attribute.graphs):
                yield from _tensors(graph.initializer, graph.node)


def _axes(value: Any) -> list[Any] | None:
    """Return an axis's length, its name, or `None` for each axis; `None` where the graph says nothing."""
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    return [axis.dim_value if axis.HasField("dim_value") else axis.dim_param or None for axis in tensor.shape.dim]


def _spec(value: Any) -> dict[str, Any] | None:
    axes, dtype = _axes(value), dtype_of(value.type.tensor_type.elem_type)
    if axes is None or dtype is None:
        return None
    return {"type": "array", "dtype": dtype, "shape": [axis if isinstance(axis, int) else None for axis in axes]}


def _is_batchable(inputs: Iterable[Any], outputs: Iterable[Any]) -> bool:
    taken, given = [_axes(value) for value in inputs], [_axes(value) for value in outputs]
    first = [axes[0] if axes else 0 for axes in (*taken, *(axes for axes in given if axes is not None))]
    # A length is fixed; two names are two axes, of which only one can be that of the rows.
    return bool(taken) and not any(isinstance(axis, int) for axis in first) and len(set(filter(None, first))) <= 1

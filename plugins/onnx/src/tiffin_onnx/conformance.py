"""What the conformance kit checks this adapter with: `tiffin plugins check onnx`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return a linear layer, and a graph of two outputs whose weights may be replaced."""
    import numpy

    rows = numpy.linspace(-1, 1, 20, dtype="float32").reshape(5, 4)
    session = {"session": {"intra_op_num_threads": 1}}
    off = {
        "a_missing_framework_is_a_clear_error": "A load needs the runtime alone, and goes well without the package onnx."
    }
    return [
        Subject(framework="onnx", name="linear", make=linear, inputs={"run": rows}, off=off),
        Subject(framework="onnx", name="two outputs", make=two_outputs, inputs={"run": rows}, options=session, off=off),
    ]


def linear() -> Any:
    """Return x @ w + b as a proto; the number of rows is free."""
    import numpy
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy.arange(12, dtype="float32").reshape(4, 3) / 7
    return _model(
        [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Add", ["product", "b"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(numpy.arange(1, 4, dtype="float32"), "b"),
        ],
    )


def two_outputs() -> Any:
    """Return x times a factor, which has a value and is an input too, and the sums of rows, as a proto."""
    from onnx import TensorProto, helper

    factor = helper.make_tensor_value_info("factor", TensorProto.FLOAT, [])
    return _model(
        [
            helper.make_node("Mul", ["x.1", "factor"], ["scaled"]),
            helper.make_node("ReduceSum", ["scaled", "axes"], ["sums"], keepdims=0),
        ],
        [helper.make_tensor_value_info("x.1", TensorProto.FLOAT, ["rows", 4]), factor],
        [
            helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["rows", 4]),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["rows"]),
        ],
        [
            helper.make_tensor("factor", TensorProto.FLOAT, [], [2.0]),
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        ],
    )


def _model(nodes: Any, inputs: Any, outputs: Any, weights: Any) -> Any:
    from onnx import helper

    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

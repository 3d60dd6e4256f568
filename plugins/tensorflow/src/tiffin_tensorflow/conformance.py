"""What the conformance kit checks this adapter with: `tiffin plugins check tensorflow`."""

from __future__ import annotations

import tempfile
from typing import Any

from tiffin.testing import Subject

_OFF = {
    "save_writes_below_its_path": "TensorFlow's AutoGraph keeps the sources of functions that it traces in the folder for "
    "temporary files until the program ends."
}


def subjects() -> list[Subject]:
    """Return a module with functions, and what was loaded of a SavedModel that has signatures alone."""
    import tensorflow as tf

    rows = tf.reshape(tf.linspace(-1.0, 1.0, 20), (5, 4))
    more: dict[str, Any] = {"framework": "tensorflow", "same": near, "close": near}
    return [
        Subject(name="module", make=module, inputs={"__call__": rows, "explain": rows}, off=_OFF, **more),
        Subject(name="signatures", make=signatures, inputs={"serving_default": rows, "half": rows}, **more),
    ]


def module() -> Any:
    """Return a module; all are equal."""
    from ._linear import Linear

    return Linear()


def signatures() -> Any:
    """Return what was loaded of a folder without functions."""
    import tensorflow as tf

    made = tf.Module()
    made.factor = tf.Variable(2.0)
    spec = [tf.TensorSpec([None, 4], tf.float32, name="rows")]
    named = {
        "serving_default": tf.function(lambda rows: {"twice": rows * made.factor}, input_signature=spec),
        "half": tf.function(lambda rows: {"half": rows / made.factor}, input_signature=spec),
    }
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(made, folder, signatures=named)
        return tf.saved_model.load(folder)


def near(one: Any, other: Any) -> bool:
    """Tell whether two answers are alike, but for the order of sums."""
    import numpy

    if isinstance(one, dict):
        return type(other) is dict and one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    if type(one) is not type(other) or one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(numpy.allclose(one.numpy(), other.numpy(), 1e-5, 1e-5))

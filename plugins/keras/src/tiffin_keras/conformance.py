"""What the conformance kit checks this adapter with: `tiffin plugins check keras`, on the back end of the environment."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject

_OFF = {
    "a_killed_save_leaves_nothing": "Keras itself makes an empty folder where temporary files are, for what layers keep "
    "besides weights, and removes it at the end of each save."
}


def subjects() -> list[Subject]:
    """Return a model of Keras' own layers, one of two outputs, and one with a layer of somebody else's."""
    import numpy

    rows = numpy.linspace(-1, 1, 20).astype("float32").reshape(5, 4)
    return [
        Subject(
            framework="keras",
            name=make.__name__,
            make=make,
            inputs={"predict": rows, "__call__": rows},
            parameters=parameters,
            partial_kwargs={"predict": {"batch_size": 2}},
            same=near,
            close=near,
            off=_OFF,
        )
        for make in (dense, branched, scaled)
    ]


def dense() -> Any:
    """Return a small model whose inference differs from its training; compiled."""
    import keras

    _begin(15)
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(3, "relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
    ]
    model = keras.Sequential([*layers, keras.layers.Dense(2)])
    model.compile(loss="mse", optimizer="sgd", metrics=["mae"])
    return model


def branched() -> Any:
    """Return a model of two outputs."""
    import keras

    _begin(16)
    rows = keras.Input((4,))
    shared = keras.layers.Dense(3, "tanh")(rows)
    return keras.Model(rows, {"sum": keras.layers.Dense(1)(shared) + 1.0, "shared": shared})


def scaled() -> Any:
    """Return a model with a layer that is not Keras' own."""
    import keras

    from ._scale import Scale

    _begin(17)
    return keras.Sequential([keras.Input((4,)), Scale(2.5), keras.layers.Dense(2)])


def _begin(seed: int) -> None:
    import keras

    keras.utils.clear_session()  # layers are called by numbers
    keras.utils.set_random_seed(seed)


def parameters(model: Any) -> dict[str, Any]:
    """Return what a model is made of."""
    compiled = model.get_compile_config() if model.compiled else None
    return {"config": repr(model.get_config()).partition("build_config")[0], "loss": (compiled or {}).get("loss")}


def near(one: Any, other: Any) -> bool:
    """Tell whether two answers are alike, but for the order of sums."""
    import numpy

    if isinstance(one, dict):
        return type(other) is dict and one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    if not isinstance(one, numpy.ndarray):
        return bool(one == other)
    same_kind = type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
    return same_kind and bool(numpy.allclose(one, other, 1e-5, 1e-6))

"""What the conformance kit checks this adapter with: `tiffin plugins check flax`."""

from __future__ import annotations

from typing import Any

from tiffin.testing import Subject


def subjects() -> list[Subject]:
    """Return modules of linen and nnx, and variables alone."""
    import jax.numpy as jnp

    rows = jnp.linspace(-1, 1, 20).reshape(5, 4)
    more: dict[str, Any] = {"framework": "flax", "same": near, "close": near}
    return [
        Subject(name="linen", make=bound, inputs={"__call__": rows}, parameters=variables, **more),
        Subject(name="nnx", make=network, inputs={"__call__": rows}, parameters=variables, **more),
        Subject(name="arrays", make=lambda: variables(bound()), parameters=variables, by_name=True, **more),
    ]


def bound() -> Any:
    """Return a module of linen with its variables; all are equal."""
    import jax

    from ._networks import Linen

    module = Linen(3)
    return module.bind(module.init(jax.random.key(15), jax.numpy.ones((2, 4))))


def network() -> Any:
    """Return a module of nnx; all are equal."""
    from flax import nnx

    from ._networks import Nnx

    return Nnx(3, nnx.Rngs(15))


def variables(model: Any) -> Any:
    """Return a model's arrays."""
    from flax import linen, nnx

    if isinstance(model, linen.Module):
        return model.variables
    return model if isinstance(model, dict) else nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.RngState)))


def near(one: Any, other: Any) -> bool:
    """Tell whether two answers, or dicts of arrays, are alike, but for the order of sums."""
    import numpy

    if isinstance(one, dict):
        return type(other) is dict and one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    if type(one) is not type(other) or one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(numpy.allclose(one, other, 1e-5, 1e-5))

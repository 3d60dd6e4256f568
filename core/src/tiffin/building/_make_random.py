"""Makers of numpy's random states: of closed names, with states that are checked before compiled code reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tiffin.building._lists import Maker, Name, is_one, names, require

_MODULES = {"MT19937": "_mt19937", "PCG64": "_pcg64", "PCG64DXSM": "_pcg64", "Philox": "_philox", "SFC64": "_sfc64"}
_WRONG = "it makes a random state otherwise than numpy does"
_BITS = 128
_SEED_BITS = 1 << 12
_COST = 1 << 14
"""Bytes that each counts for: it is seeded and checked, and what it is given may be shared."""
_ARRAYS = {"key": (624,), "counter": (4,), "buffer": (4,), "state": (4,)}
"""Shapes of the arrays in states; Philox's key has two numbers."""


def bit_generator(state: Any, kind: type[Any] | None = None) -> Any:
    """Return a bit generator in a state, as `numpy.random.BitGenerator.state` has it.

    Args:
        state: from a stranger.
        kind: which it must be; `None` for any of numpy's.

    Raises:
        Unbuildable: it is no such state.
    """
    require(type(state) is dict and type(state.get("bit_generator")) is str, _WRONG)
    name = state["bit_generator"]
    require(name in _MODULES and (kind is None or kind.__name__ == name), _WRONG)
    check_state(state, name)
    generator = getattr(np.random, name)(0)
    generator.state = state
    return generator


def check_state(state: dict[str, Any], name: str) -> None:
    """Refuse a state that is not one of a bit generator's."""
    inner: Any = state.get("state")
    require(type(inner) is dict and is_one(state.get("bit_generator"), name), _WRONG)
    for key, value in [*state.items(), *inner.items()]:
        require(type(key) is str, _WRONG)
        if type(value) is int:
            require(0 <= value < 1 << _BITS, _WRONG)
        elif type(value) is np.ndarray:
            shape = (2,) if (name, key) == ("Philox", "key") else _ARRAYS.get(key)
            require(value.dtype in (np.dtype("u4"), np.dtype("u8")) and value.shape == shape, _WRONG)
        else:
            require(type(value) in (float, str) or value is inner, _WRONG)
    if name == "MT19937":
        key = inner.get("key")
        require(type(key) is np.ndarray and key.dtype == np.dtype("u4"), _WRONG)
        require(type(inner.get("pos")) is int and 0 <= inner["pos"] <= 624, _WRONG)
    if name == "Philox":
        require(type(state.get("buffer_pos")) is int and 0 <= state["buffer_pos"] <= 4, _WRONG)


def seed_sequence(entropy: Any, spawned: Any, pool_size: Any, spawn_key: Any) -> Any:
    """Return a seed sequence; sizes are bounded, since it reads large numbers slowly."""
    require(
        type(spawned) is int and 0 <= spawned < 1 << 32 and is_one(pool_size, 4) and is_one(spawn_key, ())
        and (type(entropy) in (int, np.uint64) and entropy >= 0 and int(entropy).bit_length() <= _SEED_BITS),
        _WRONG,
    )  # fmt: skip
    return np.random.SeedSequence(entropy, n_children_spawned=spawned)


def _bit_generator(arguments: tuple[Any, ...], state: Any) -> Any:
    (kind,) = arguments
    name = kind.name if isinstance(kind, Name) else kind
    require(type(name) is str and name in _MODULES, _WRONG)
    made = getattr(np.random, name)
    sequence = None
    if type(state) is tuple:
        state, sequence = state
        require(sequence is None or type(sequence) is np.random.SeedSequence, _WRONG)
    require(type(state) is dict, _WRONG)
    generator = bit_generator(state, made)
    if sequence is not None:
        seeded = made(sequence)
        seeded.state = generator.state
        return seeded
    return generator


def _random_state(arguments: tuple[Any, ...], state: Any) -> Any:
    require(len(arguments) <= 2 and type(state) is dict, _WRONG)
    if arguments:
        require(is_one(arguments[0], "MT19937") or type(arguments[0]) is np.random.MT19937, _WRONG)
    require(state.keys() <= {"bit_generator", "state", "has_gauss", "gauss"}, _WRONG)
    check_state(state, "MT19937")
    made = np.random.RandomState(0)
    made.set_state(state)
    return made


def _generator(arguments: tuple[Any, ...], state: Any) -> Any:
    generator, *constructor = arguments
    kinds = [getattr(np.random, name) for name in _MODULES]
    require(type(generator) in kinds and len(constructor) <= 1, _WRONG)
    if state is not None:
        generator = bit_generator(state, type(generator))
    return np.random.Generator(generator)


def _seed_sequence(arguments: tuple[Any, ...], state: Any) -> Any:
    kind, checksum, nothing = arguments
    require(
        names(kind, "numpy.random.bit_generator.SeedSequence") and type(checksum) is int and nothing is None
        and type(state) is tuple and len(state) == 5,
        _WRONG,
    )  # fmt: skip
    entropy, spawned, pool, pool_size, spawn_key = state
    made = seed_sequence(entropy, spawned, pool_size, spawn_key)
    if pool is not None:  # some formats leave it out, since the rest tells it
        require(type(pool) is np.ndarray and pool.dtype == np.dtype("u4") and np.array_equal(made.pool, pool), _WRONG)
    return made


def makers() -> Iterator[tuple[str, Maker]]:
    """Yield the names that pickles of random states call, and how what they stand for is made."""
    module = "numpy.random._pickle"
    bits = frozenset(f"numpy.random.{place}.{name}" for name, place in _MODULES.items())
    yield f"{module}.__bit_generator_ctor", Maker(_bit_generator, bits, cost=_COST)
    constructor = frozenset({f"{module}.__bit_generator_ctor"})
    yield f"{module}.__randomstate_ctor", Maker(_random_state, constructor, cost=_COST)
    yield f"{module}.__generator_ctor", Maker(_generator, constructor, cost=_COST)
    sequence = "numpy.random.bit_generator"
    yield (
        f"{sequence}.__pyx_unpickle_SeedSequence",
        Maker(_seed_sequence, frozenset({f"{sequence}.SeedSequence"}), cost=_COST),
    )

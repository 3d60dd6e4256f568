"""Modules of Flax: names of arrays, values, what a stranger's model may do, devices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import SignatureError, StoreError, UntrustedModelError

pytestmark = pytest.mark.slow
jax = pytest.importorskip("jax")
flax = pytest.importorskip("flax")

from safetensors.numpy import load_file  # noqa: E402

from tiffin_flax import conformance  # noqa: E402 - it needs Flax when it is asked

jnp = jax.numpy
ROWS = np.ones((3, 4), "float32")


def test_arrays_have_the_names_of_the_module() -> None:
    """Whoever has the file reads them without this package."""
    linen = load_file(tiffin.save("linen", conformance.bound()).path_of("weights.safetensors"))
    assert {"params/Dense_0/kernel", "batch_stats/BatchNorm_0/mean"} <= set(linen)
    nnx = load_file(tiffin.save("nnx", conformance.network()).path_of("weights.safetensors"))
    assert {"dense/kernel", "norm/mean"} <= set(nnx)


def test_a_module_of_nnx_runs_in_evaluation_mode_and_stays_as_it_is() -> None:
    """Its dropout drops nothing in a runner; the user's own is in training as before."""
    net = conformance.network()
    model = tiffin.save("net", net, input_example=ROWS)
    assert not net.dropout.deterministic
    assert not model.load().dropout.deterministic
    with model.to_runner() as runner:
        np.testing.assert_array_equal(runner.run(ROWS), runner.run(ROWS))


def test_any_method_of_a_module_runs() -> None:
    """One of linen's is applied to the variables by its name."""

    class Net(flax.linen.Module):
        def setup(self):
            self.dense = flax.linen.Dense(2)

        def __call__(self, rows):
            return self.dense(rows)

        def half(self, rows):
            return self.dense(rows) / 2

    net = Net()
    net = net.bind(net.init(jax.random.key(0), ROWS))
    model = tiffin.save("net", net, signatures={"__call__": {"batchable": True}, "half": {"batchable": True}})
    with model.to_runner() as runner:
        np.testing.assert_array_equal(runner.half.run(ROWS) * 2, runner.run(ROWS))


def test_types_of_elements_stay() -> None:
    """Halves of sixteen bits too, and one array under two names is one."""
    shared = jnp.ones((2, 2), jnp.bfloat16)
    net = flax.nnx.Module()
    net.one, net.other = flax.nnx.Param(shared), flax.nnx.Param(jnp.arange(3, dtype="int8"))
    again = tiffin.flax.save_model("net", net).load()
    assert (again.one.dtype, again.other.dtype) == (jnp.bfloat16, jnp.int8)


def test_a_module_of_linen_without_variables_is_refused() -> None:
    """It says how they are given."""
    with pytest.raises(StoreError, match=r"module\.bind\(variables\)"):
        tiffin.save("net", flax.linen.Dense(3))


def test_classes_of_the_program_come_along(tmp_path: Path) -> None:
    """Another process has what the script defined."""
    script = """
import jax, tiffin
from flax import linen
class Net(linen.Module):
    @linen.compact
    def __call__(self, rows):
        return linen.Dense(2)(rows) + 1
net = Net()
tiffin.save("net", net.bind(net.init(jax.random.key(0), jax.numpy.ones((1, 4)))))
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert tiffin.load("net")(ROWS).shape == (3, 2)


def test_arrays_are_safe_from_anybody_and_modules_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module's pickle is refused."""
    models.export_model(tiffin.save("net", conformance.bound()).tag, tmp_path / "net.tar")
    variables = conformance.variables(conformance.bound())
    models.export_model(tiffin.flax.save_model("arrays", variables).tag, tmp_path / "arrays.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other"))
    assert conformance.near(models.import_model(tmp_path / "arrays.tar").load(), variables)
    with pytest.raises(UntrustedModelError):
        models.import_model(tmp_path / "net.tar").load()


def test_what_is_no_array_is_refused() -> None:
    """The format has nothing else."""
    with pytest.raises(StoreError, match="something else than arrays"):
        tiffin.flax.save_model("a", {"a": {"b": object()}})


def test_a_device_that_is_not_there_is_refused() -> None:
    """One that is is where the arrays are."""
    tiffin.save("net", conformance.bound())
    assert tiffin.load("net", device="cpu:0").variables["params"]["Dense_0"]["bias"].device == jax.devices("cpu")[0]
    with pytest.raises(SignatureError, match="device='gpu:3'"):
        tiffin.load("net", device="gpu:3")


def test_a_damaged_file_says_so() -> None:
    """And what to do."""
    model = tiffin.save("net", conformance.bound())
    file = model.path_of("weights.safetensors")
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="verify"):
        model.load()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_arrays_cross(dtype: str, shape: tuple[int, ...]) -> None:
    """Of every type of numbers, and of no rows; what JAX would shorten is refused."""
    from tiffin_flax._values import ArrayKind

    kind = ArrayKind()
    value = jnp.ones(shape, dtype)
    again = kind.receive(kind.send(value))
    assert (again.dtype, again.shape) == (value.dtype, value.shape)
    assert bool((again == value).all())
    with pytest.raises(ValueError, match="JAX_ENABLE_X64"):
        kind.receive(["float64", [1], np.zeros(8, "uint8")])

"""Modules of TensorFlow: which methods they have, what is lost, and tensors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tiffin
from process_support import like_ours
from tiffin import models
from tiffin.exceptions import NotKeptWarning, SignatureError, StoreError, UntrustedModelError

pytestmark = pytest.mark.slow
tf = pytest.importorskip("tensorflow")

from tiffin_tensorflow import conformance  # noqa: E402 - it needs TensorFlow when it is asked

ROWS = np.ones((3, 4), "float32")


def test_functions_become_signatures_with_specs() -> None:
    """As TensorFlow has them."""
    found = tiffin.save("net", conformance.module()).info.signatures
    rows = {"type": "array", "dtype": "float32", "shape": [None, 4]}
    assert found["__call__"].batchable
    assert found["__call__"].input_spec == rows
    assert found["__call__"].output_spec == {**rows, "shape": [None, 3]}
    assert found["explain"].output_spec["properties"]["sum"]["shape"] == [None]


def test_signatures_of_a_folder_are_methods(tmp_path: Path) -> None:
    """Under their own names, given by the folder's path; they come along when what was loaded is saved once more."""
    tf.saved_model.save(conformance.signatures(), str(tmp_path / "plain"))
    made = conformance.module()
    tf.saved_model.save(made, str(tmp_path / "folder"), signatures={"score": made.__call__})
    model = tiffin.tensorflow.save_model("net", tmp_path / "folder")
    for stored in (model, tiffin.save("again", model.load())):
        assert {"score", "__call__", "explain"} <= set(stored.info.signatures)
        with stored.to_runner() as runner:
            answer = runner.score.run(ROWS)
            np.testing.assert_array_equal(next(iter(answer.values())), runner.run(ROWS))


def test_methods_that_are_no_functions_are_told_of() -> None:
    """And a module without any is refused."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def kept(self, rows):
            return rows

        @tf.function
        def never_called(self, rows):
            return rows

        def plain(self, rows):
            return rows

    with pytest.warns(NotKeptWarning, match=r"'never_called'.*'plain'"):
        model = tiffin.save("net", Module())
    assert set(model.info.signatures) == {"kept"}
    with pytest.raises(StoreError, match="input_signature"):
        tiffin.save("nothing", tf.Module())


def test_a_fixed_axis_is_not_batched() -> None:
    """A function of two rows takes no three."""
    made = tf.Module()
    made.pair = tf.function(lambda rows: rows, input_signature=[tf.TensorSpec([2, 4], tf.float32)])
    assert not tiffin.save("net", made).info.signatures["pair"].batchable


def test_a_strangers_program_needs_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SavedModel can read and write files."""
    models.export_model(tiffin.save("net", conformance.module()).tag, tmp_path / "net.tar")
    monkeypatch.setenv("TIFFIN_HOME", str(tmp_path / "other"))
    imported = models.import_model(tmp_path / "net.tar")
    with pytest.raises(UntrustedModelError):
        imported.load()
    assert imported.load(trust=True)(ROWS).shape == (3, 3)


def test_a_device_that_is_not_there_is_refused() -> None:
    """TensorFlow itself would take another."""
    tiffin.save("net", conformance.module())
    assert tiffin.load("net", device="cpu:0")
    with pytest.raises(SignatureError, match="device='gpu:7'"):
        tiffin.load("net", device="gpu:7")


def test_a_damaged_folder_says_so() -> None:
    """And what to do."""
    model = tiffin.save("net", conformance.module())
    file = model.path_of("saved_model.pb")
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="verify"):
        model.load()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_tensors_cross(dtype: str, shape: tuple[int, ...]) -> None:
    """Of every type of numbers, and of none rows."""
    from tiffin_tensorflow._tensors import TensorKind

    kind = TensorKind()
    value = tf.cast(tf.ones(shape), dtype)
    again = kind.receive(kind.send(value))
    assert (again.dtype, again.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(np.asarray(again, "complex64"), np.asarray(value, "complex64"))
    for parts in (["float32", [3], np.zeros(4, "uint8")], ["object", [], np.zeros(4, "uint8")]):
        with pytest.raises(ValueError, match="no tensor"):
            kind.receive(parts)


EXPORT = """
import sys
if sys.argv[1] == "with":
    import tensorflow
from tiffin import models
models.export_model("data:1", sys.argv[2])
"""


def test_archives_are_the_same_after_tensorflow_is_imported(tmp_path: Path) -> None:
    """Its own zstd library is not used; the bytes are those of any process."""
    tiffin.picklable_model.save_model("data:1", {"rows": np.arange(1 << 18)})
    for how in ("with", "without"):
        command = [sys.executable, "-c", EXPORT, how, str(tmp_path / f"{how}.tar.zst")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=like_ours())
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "with.tar.zst").read_bytes() == (tmp_path / "without.tar.zst").read_bytes()

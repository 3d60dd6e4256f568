"""Models of Keras: what is written, what comes back, and what a stranger's file may say."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin import models
from tiffin.exceptions import SignatureError, StoreError, UntrustedModelError

pytestmark = pytest.mark.slow
keras = pytest.importorskip("keras")

from tiffin_keras import conformance  # noqa: E402 - it needs Keras when it is asked

ROWS = np.ones((3, 4), "float32")


def elsewhere(model: Any, folder: Path) -> Any:
    """Return a model as another store has it that got it from here."""
    models.export_model(model.tag, folder / "model.tar")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIFFIN_HOME", str(folder / "other"))
        yield models.import_model(folder / "model.tar")


def twice(rows: Any) -> Any:
    """Return twice as much."""
    return rows * 2


def test_a_strangers_file_needs_trust_whatever_it_names(tmp_path: Path) -> None:
    """Keras makes layers of any size that a file says, and some of its own read files; what is asked for is told."""
    model = tiffin.save("net", conformance.dense())
    for imported in elsewhere(model, tmp_path):
        with pytest.raises(UntrustedModelError, match="as large as the file says"):
            imported.load()
        loaded = imported.load(trust=True)
        np.testing.assert_allclose(loaded.predict(ROWS, verbose=0), model.load().predict(ROWS, verbose=0))


@pytest.mark.parametrize("what", ["layer", "lambda", "function"])
def test_what_is_not_keras_own_needs_trust(what: str, tmp_path: Path) -> None:
    """A layer and a function of one's own come back from here, by value too, and a lambda; a stranger's are refused."""
    if what == "layer":
        net = conformance.scaled()
    elif what == "lambda":
        net = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda rows: rows * 2)])
    else:
        net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation=twice)])
    model = tiffin.save("net", net)
    np.testing.assert_allclose(model.load().predict(ROWS, verbose=0), net.predict(ROWS, verbose=0), 1e-5)
    for imported in elsewhere(model, tmp_path):
        with pytest.raises(UntrustedModelError):
            imported.load()
        assert imported.load(trust=True)


def test_classes_of_the_program_come_along(tmp_path: Path) -> None:
    """Another process has what the script defined."""
    script = """
import keras, tiffin
class Add(keras.layers.Layer):
    def call(self, rows):
        return rows + 1
tiffin.save("net", keras.Sequential([keras.Input((2,)), Add()]))
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert tiffin.load("net").predict(np.zeros((1, 2)), verbose=0).tolist() == [[1, 1]]


def test_a_file_is_stored_by_its_path(tmp_path: Path) -> None:
    """As it is."""
    net = conformance.dense()
    net.save(tmp_path / "net.keras")
    model = tiffin.keras.save_model("net", tmp_path / "net.keras")
    assert model.path_of("model.keras").read_bytes() == (tmp_path / "net.keras").read_bytes()
    np.testing.assert_allclose(model.load().predict(ROWS, verbose=0), net.predict(ROWS, verbose=0), 1e-5)
    for imported in elsewhere(model, tmp_path):
        assert imported.load(trust=True)


def test_a_config_that_names_modules_is_refused(tmp_path: Path) -> None:
    """None of them is imported: not in an archive, and not beside it."""
    conformance.dense().save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1] |= {"module": "os", "class_name": "system", "registered_name": "system"}
    for imported in elsewhere(tiffin.keras.save_model("net", tmp_path / "net.keras"), tmp_path):
        file = imported.path_of("model.keras")
        file.parent.chmod(0o755)
        file.unlink()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in (parts | {"config.json": json.dumps(config).encode()}).items():
                archive.writestr(name, content)
        with pytest.raises(UntrustedModelError, match=r"os\.system"):
            imported.load()


def test_custom_objects_are_given_to_keras() -> None:
    """By the names that the file has."""
    from tiffin_keras._scale import Scale

    model = tiffin.keras.save_model("net", conformance.scaled(), custom_objects={"Scale": Scale, "labels": ["a"]})
    assert type(model.load().layers[0]).__name__ == "Scale"
    assert model.custom_objects["labels"] == ["a"]


def test_what_has_no_weights_is_refused() -> None:
    """Keras would write a model that forgets itself."""
    with pytest.raises(StoreError, match="not built"):
        tiffin.save("net", keras.Sequential([keras.layers.Dense(2)]))


def test_a_damaged_file_says_so() -> None:
    """And what to do."""
    model = tiffin.save("net", conformance.dense())
    file = model.path_of("model.weights.h5")
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="verify"):
        model.load()


def test_options_name_what_is_there() -> None:
    """A back end is one of Keras', a device one of this machine's."""
    with pytest.raises(SignatureError, match="backend='numpy'"):
        tiffin.keras.save_model("net", conformance.dense(), backend="numpy")
    model = tiffin.save("net", conformance.dense())
    assert model.info.options["backend"] == keras.backend.backend()
    assert tiffin.load("net", device="cpu:0")
    with pytest.raises(SignatureError, match="device='gpu:9'"):
        tiffin.load("net", device="gpu:9")


def test_a_model_of_two_inputs_is_not_batched_by_itself() -> None:
    """Keras takes a list of them, whose items are no rows."""
    inputs = [keras.Input((2,)), keras.Input((2,))]
    model = tiffin.save("net", keras.Model(inputs, keras.layers.Add()(inputs)))
    assert not model.info.signatures["predict"].batchable
    with model.to_runner() as runner:
        assert runner.predict.run([np.ones((3, 2)), np.ones((3, 2))]).shape == (3, 2)

"""Pickles of code by value that cloudpickle itself wrote, as earlier versions of Tiffin stored them."""

from __future__ import annotations

import io
import types
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from tiffin import pickling
from tiffin.exceptions import PicklingError
from tiffin.pickling import rebuild


def make_class(threshold: float) -> type:
    class Clf:
        def predict(self, x: float) -> bool:
            return x > self.threshold  # type: ignore[attr-defined,no-any-return]

    Clf.threshold = threshold  # type: ignore[attr-defined]
    return Clf


def test_classes_of_older_pickles_stay_apart() -> None:
    """A later load changes neither an earlier one nor the class of the program."""
    kind: Any = make_class(0.1)
    first = cloudpickle.dumps(kind())
    kind.threshold = 0.9
    second = cloudpickle.dumps(kind())
    one = pickling.Unpickler(io.BytesIO(first)).load()
    two = pickling.Unpickler(io.BytesIO(second)).load()
    assert (one.predict(0.5), two.predict(0.5), kind.threshold) == (True, False, 0.9)
    assert type(one) is not kind


@pytest.mark.parametrize(("python", "refused"), [("3.8.1", True), ("", False), (f"{rebuild.PYTHON}.99", False)])
def test_the_record_says_for_which_python_older_code_is(python: str, refused: bool, tmp_path: Path) -> None:
    """Code objects that do not say it themselves are of the Python that the record names; without one they are tried."""
    (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(lambda x: x + 1))
    with pickling.saved_by(python):
        if refused:
            with pytest.raises(PicklingError, match=rf"saved by Python 3\.8, and this is Python {rebuild.PYTHON}"):
                pickling.load(tmp_path)
        else:
            assert pickling.load(tmp_path)(1) == 2


def test_code_of_another_python_is_refused_by_what_it_says_itself() -> None:
    """The version stands with each code object; both are named, and what to do."""
    with pytest.raises(PicklingError, match=r"saved by Python 3\.2, and this is Python .* Load it with Python 3\.2"):
        rebuild.code("3.2", b"")


def test_data_of_another_python_loads(tmp_path: Path) -> None:
    """Only code is bound to a minor version."""
    pickling.dump({"a": [1, types.SimpleNamespace(b=2)]}, tmp_path)
    with pickling.saved_by("3.8.1"):
        assert pickling.load(tmp_path)["a"][1].b == 2


class Tensor:
    """Something whose content lies in memory of its own."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)


def restore_tensor(buffer: Any) -> Tensor:
    """Return a tensor that uses the buffer."""
    made = Tensor(b"")
    made.content = buffer
    return made


def test_reducers_put_content_beside_the_stream(tmp_path: Path) -> None:
    """`reducers` decide for a class and its subclasses; a large buffer becomes a file, mapped at load."""
    import pickle

    class Special(Tensor):
        pass

    reducers = {Tensor: lambda tensor: (restore_tensor, (pickle.PickleBuffer(tensor.content),))}
    pickling.dump({"t": Special(b"x" * (2 << 20)), "plain": 1}, tmp_path, reducers=reducers)
    assert (tmp_path / "model.0.buffer").stat().st_size == 2 << 20
    loaded = pickling.load(tmp_path)["t"]
    assert isinstance(loaded.content, memoryview)
    assert bytes(loaded.content[:2]) == b"xx"

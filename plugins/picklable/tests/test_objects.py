"""Any object is stored, and loads in another process that has not its source."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
import pytest

import tiffin
from tiffin.exceptions import PicklingError, SignatureError


def add(x: Any, y: Any = 1) -> Any:
    """Return the sum: a function of an importable module."""
    return x + y


@pytest.mark.parametrize(
    ("make", "call", "wanted"),
    [
        ("class Model:\n    def __call__(self, x): return x * 2\nmodel = Model()", "model(4)", "8"),
        ("class Model:\n    K = 3\n    def predict(self, x): return x * self.K\nmodel = Model()", "model.predict(4)", "12"),
        ("model = lambda x: x + 1", "model(4)", "5"),
        ("def outer(k):\n    def inner(x): return k * x\n    return inner\nmodel = outer(7)", "model(4)", "28"),
        ("def model(n): return 1 if n < 2 else n * model(n - 1)", "model(5)", "120"),
        ("import functools, operator\nmodel = functools.partial(operator.add, 10)", "model(4)", "14"),
        ("import math\nmodel = math.sqrt", "model(16)", "4.0"),
        ("class B:\n    def f(self): return 1\nclass Model(B):\n    def f(self): return super().f() + 1\nmodel = Model()",
         "model.f()", "2"),
        ("import dataclasses\n@dataclasses.dataclass\nclass Model:\n    w: list\nmodel = Model([1, 2])", "model.w", "[1, 2]"),
        ("import enum\nclass Kind(enum.Enum):\n    A = 1\nmodel = {'kind': Kind.A}", "model['kind'].name", "A"),
        ("model = {'a': (1, {2}, b'3', None)}", "model", "{'a': (1, {2}, b'3', None)}"),
        ("class Model:\n    def __init__(self): self.me = self\nmodel = Model()", "model.me is model", "True"),
        ("import numpy as np\nmodel = {'w': np.arange(6).reshape(2, 3)}", "model['w'].sum()", "15"),
    ],
)  # fmt: skip
def test_objects_of_main_load_in_another_process(make: str, call: str, wanted: str, run: Any) -> None:
    """Classes and functions of a script or notebook are stored by value."""
    run(f"import tiffin\n{make}\nprint(tiffin.picklable.save_model('x', model, signatures={{}}).tag)")
    assert run(f"import tiffin\nmodel = tiffin.load('x')\nprint({call})").strip() == wanted


def test_any_object_is_found_to_be_its() -> None:
    """`tiffin.save` needs no framework's name; the claim of `object` comes last."""
    for obj in ({"a": 1}, [1], "text", 5, add, object, np.arange(3), threading.Event):
        saved = tiffin.save("x", obj, signatures={})
        assert saved.framework == "picklable"
        np.testing.assert_array_equal(tiffin.load("x"), obj)


def test_the_default_signature_is_a_call_that_is_not_batchable() -> None:
    """Nothing is known of what it does with a batch."""
    saved = tiffin.save("x", add)
    assert {name: signature.to_dict() for name, signature in saved.info.signatures.items()} == {
        "__call__": {"batchable": False}
    }


def test_what_cannot_be_called_has_no_default_signature() -> None:
    """It is stored all the same, as data or with signatures of its own."""
    assert tiffin.save("x", {"a": 1}).info.signatures == {}
    assert list(tiffin.save("x", {"a": 1}, signatures={"get": {}}).info.signatures) == ["get"]
    with pytest.raises(SignatureError, match=r"has no method '__call__'. It is not callable"):
        tiffin.save("x", {"a": 1}, signatures={"__call__": {}})


def test_the_context_records_cloudpickle() -> None:
    """Its version is what loading depends on."""
    import cloudpickle  # type: ignore[import-untyped]

    context = tiffin.save("x", add).info.context
    assert context.framework_name == "picklable"
    assert context.framework_versions == {"cloudpickle": cloudpickle.__version__}


def test_the_other_name_is_the_same_framework() -> None:
    """`tiffin.picklable_model` is BentoML's name for it."""
    assert tiffin.picklable_model is tiffin.picklable
    saved = tiffin.picklable_model.save_model("x", add)
    assert saved.framework == "picklable"
    assert tiffin.picklable_model.load_model("x")(1) == 2
    assert tiffin.picklable.get("x") == saved
    assert tiffin.save("y", add, framework="picklable_model").framework == "picklable"


def test_partial_kwargs_are_checked_and_recorded() -> None:
    """A method or argument that is not there is refused."""
    saved = tiffin.save("x", add, partial_kwargs={"__call__": {"y": 5}})
    assert saved.info.options == {"partial_kwargs": {"__call__": {"y": 5}}}
    with pytest.raises(SignatureError, match="does not take an argument 'z'"):
        tiffin.save("x", add, partial_kwargs={"__call__": {"z": 5}})


def test_what_cannot_be_pickled_is_told_with_its_place() -> None:
    """And nothing is saved."""
    with pytest.raises(PicklingError):
        tiffin.save("x", {"a": [threading.Lock()]}, signatures={})
    assert tiffin.models.list() == []


def test_arrays_come_back_writable_and_apart() -> None:
    """Mapped files are copied on write: a change does not reach the store, nor another load."""
    array = np.arange(500_000, dtype=np.float64)
    model = tiffin.save("x", {"w": array}, signatures={})
    first, second = model.load(), model.load()
    first["w"][0] = 99
    assert second["w"][0] == model.load()["w"][0] == 0
    np.testing.assert_array_equal(second["w"], array)
    assert tiffin.models.verify() == []


def test_equal_arrays_of_two_versions_are_stored_once() -> None:
    """Large buffers are files of their own."""
    array = np.random.default_rng(0).random(300_000)
    tiffin.save("x", {"w": array, "name": "one"}, signatures={})
    tiffin.save("x", {"w": array, "name": "two"}, signatures={})
    usage = tiffin.models.usage()
    assert usage.apparent - usage.total >= array.nbytes


def test_a_runnable_calls_the_object_with_its_partial_kwargs() -> None:
    """On one thread, on the CPU; the call's own arguments win."""
    runnable = tiffin.picklable.get_runnable(tiffin.save("x", add, partial_kwargs={"__call__": {"y": 5}}).tag)
    assert not runnable.SUPPORTS_CPU_MULTI_THREADING
    assert tuple(runnable.SUPPORTED_RESOURCES) == ("cpu",)
    instance = runnable()
    assert instance(1) == 6
    assert instance(1, y=2) == 3


def test_a_bound_method_and_a_partial_are_objects_too() -> None:
    """As anything that pickle knows."""
    tiffin.save("x", functools.partial(add, y=10))
    assert tiffin.load("x")(1) == 11
    tiffin.save("x", "text".upper)
    assert tiffin.load("x")() == "TEXT"

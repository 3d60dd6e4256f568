"""No name escapes: whatever Python's own unpicklers would import from a stream, inspection has listed or refused."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import pickle
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tiffin.inspection import inspect_file

_spec = importlib.util.spec_from_file_location("hostile_same", Path(__file__).with_name("hostile.py"))
assert _spec is not None
hostile = importlib.util.module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(hostile)

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # escapes that are none


class Inert:
    """Stands for everything that a pickle names: can be made, called and changed, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return self

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    add = append


def imported(data: bytes, base: Any) -> list[tuple[str, str]]:
    """Return what an unpickler asks for until it fails or ends; nothing is imported."""
    asked: list[tuple[str, str]] = []

    class Watched(base):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            asked.append((module, name))
            return Inert

    with contextlib.suppress(Exception):  # a broken stream may raise anything
        Watched(io.BytesIO(data)).load()
    return asked


def check(data: bytes, folder: Path) -> None:
    # Unpickling in C makes a table as large as the largest memo index, which random bytes make gigabytes.
    readers = [pickle._Unpickler] if b"r" in data else [pickle._Unpickler, pickle.Unpickler]  # type: ignore[attr-defined]
    path = folder / "model.pkl"
    path.write_bytes(data)
    inspected = inspect_file(path, "pickle")
    found = {name.replace(":", ".") for name in inspected.names}
    for reader in readers:
        for module, name in imported(data, reader):
            spelled = {f"{module}.{name}", f"{_translated(module, name)}"}
            # The unpickler in Python takes a name that the end of the file cuts off; then the cut is a problem.
            cut = reader is not pickle.Unpickler and any("cut off" in problem for problem in inspected.problems)
            assert spelled & found or cut, (module, name, inspected)


def _translated(module: str, name: str) -> str:
    import _compat_pickle

    if (module, name) in _compat_pickle.NAME_MAPPING:
        return ".".join(_compat_pickle.NAME_MAPPING[module, name])
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"


PARTS = [
    *(bytes([code]) for code in b"(.012NQRbdelost}]abu)\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98"),
    *(b"h" + bytes([index]) for index in range(4)),
    *(b"q" + bytes([index]) for index in range(4)),
    *(b"g%d\n" % index for index in range(3)),
    *(b"p%d\n" % index for index in range(3)),
    *(hostile.text(word) for word in ("posix", "os", "system", "a.b")),
    b"\x8c\x02os",
    b"X\x02\0\0\0os",
    b"U\x02os",
    b"S'posix'\n",
    b"Vposix\n",
    b"V\\u0070osix\n",
    b"cposix\nsystem\n",
    b"iposix\nsystem\n",
    b"c__builtin__\nexecfile\n",
    b"\x80\x02",
    b"\x80\x04",
    b"\x95" + struct.pack("<Q", 5),
    b"\x95" + struct.pack("<Q", 40),
    b"K\x01",
    b"I01\n",
    b"L5L\n",
    b"\x8a\x02\x01\x01",
    b"C\x03abc",
    b"\x96" + struct.pack("<Q", 2) + b"ab",
]


@MANY
@given(parts=st.lists(st.sampled_from(PARTS), max_size=60))
@example(parts=[b"N", b"q\x02", b"0", hostile.text("posix"), b"\x94", hostile.text("system"), b"\x93"])
def test_no_name_escapes_from_operations_in_any_order(parts: list[bytes], tmp_path: Path) -> None:
    """Memo, marks, frames and texts mean to inspection what they mean to Python."""
    check(b"\x80\x04" + b"".join(parts) + b".", tmp_path)
    check(b"".join(parts) + b".", tmp_path)


@pytest.mark.parametrize("sample", hostile.plain(), ids=lambda sample: sample.name)
def test_no_name_escapes_from_mutated_samples(sample: Any, tmp_path: Path) -> None:
    """Nor from samples with bytes changed, cut out or doubled."""
    chance = random.Random(sample.name)
    for _ in range(30):
        data = bytearray(sample.data)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(data) or 1)
            data[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
        check(bytes(data), tmp_path)

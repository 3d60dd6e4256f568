"""Whatever bytes a file holds, inspection ends with a report, and never with an exception."""

from __future__ import annotations

import importlib.util
import pickle
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiffin.inspection import Inspection, InspectionLimits, inspect_file

_spec = importlib.util.spec_from_file_location("hostile_any", Path(__file__).with_name("hostile.py"))
assert _spec is not None
hostile = importlib.util.module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(hostile)

SEEDS = [
    *(sample.data for sample in (*hostile.direct(), *hostile.hidden(), *hostile.of_numpy(), *hostile.of_archives())),
    *(pickle.dumps({"a": [1, 2.5, "x" * 300, b"y", {1, 2}, (1, None, True)], 10**30: []}, k) for k in range(6)),
]
OPERATIONS = [bytes([code]) for code in (*b"(.012FIJKLMNPQRSTUVXabcdeghijlopqrstu}]\n", *range(4), *range(0x80, 0x99))]
LIMITS = InspectionLimits(max_operations=100_000, max_unpacked=1 << 20, max_objects=10_000)
FEW = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def inspect(data: bytes, folder: Path) -> None:
    path = folder / "model.pkl"
    path.write_bytes(data)
    for reader in ("pickle", "joblib", "any"):
        found = inspect_file(path, reader, LIMITS)  # type: ignore[arg-type]
        assert isinstance(found, Inspection)
        assert all(isinstance(name, str) for name in found.names)


@FEW
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_reported(data: bytes, tmp_path: Path) -> None:
    """Bytes that are no pickle at all are a problem, not an error."""
    inspect(data, tmp_path)


@FEW
@given(operations=st.lists(st.sampled_from(OPERATIONS), max_size=80))
def test_arbitrary_operations_are_reported(operations: list[bytes], tmp_path: Path) -> None:
    """Streams of real operations in any order are followed or refused."""
    inspect(b"\x80\x05" + b"".join(operations) + b".", tmp_path)


@FEW
@given(data=st.sampled_from(SEEDS), seed=st.integers(0, 2**32), changes=st.integers(1, 8))
def test_mutated_files_are_reported(data: bytes, seed: int, changes: int, tmp_path: Path) -> None:
    """Pickles, archives and hostile samples with bytes flipped, cut out and doubled are reported."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(changes):
        if not changed:
            break
        at = chance.randrange(len(changed))
        kind = chance.randrange(3)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            del changed[at : at + chance.randrange(1, 9)]
        else:
            changed[at:at] = changed[at : at + chance.randrange(1, 9)]
    inspect(bytes(changed), tmp_path)


@pytest.mark.parametrize("data", [pickle.dumps(value, protocol) for protocol in range(2, 6) for value in (
    None, True, 1, 2**40, -(10**30), 1.5, "x", "ä" * 300, b"x", bytearray(b"x"), [1], (1,), {"a": 1}, {1}, frozenset([1]),
    complex(1, 2), range(3), slice(1), {"a": [{"b": ({1: 2},)}]}, [0] * 5000, tuple(range(100)),
)])  # fmt: skip
def test_plain_data_is_never_refused(data: bytes, tmp_path: Path) -> None:
    """Every kind of plain data, in the protocols since Python 2.3, is built without a problem, and equal."""
    from tiffin.building import build, core_lists, judge

    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    found = inspect_file(path, "pickle")
    assert found.problems == ()
    assert found.tape is not None
    assert judge(found.tape, core_lists()) == ((), ())
    built = build(found.tape, core_lists())
    assert built == pickle.loads(data)
    assert type(built) is type(pickle.loads(data))


def test_a_recursive_list_is_plain(tmp_path: Path) -> None:
    """What holds itself is followed like anything else."""
    value: list[object] = []
    value.append(value)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(value))
    assert inspect_file(path, "pickle") == Inspection("pickle", ())

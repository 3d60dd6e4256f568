"""Objects of every kind come back as they were."""

from __future__ import annotations

import array
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inside.pickling import _index as _layout
from inside.pickling import _pickler
from tiffin import pickling

LARGE = _layout.OWN_FILE


def round_trip(obj: Any, folder: Path) -> Any:
    pickling.dump(obj, folder)
    return pickling.load(folder)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, np.ndarray):
        # numpy itself turns small arrays with gaps into the machine's byte order.
        assert (left.dtype.newbyteorder("="), left.shape) == (right.dtype.newbyteorder("="), right.shape)
        left = left.astype(right.dtype)
        if left.dtype.hasobject:
            assert left.tolist() == right.tolist()
        else:
            # Bytes, so that NaN, NaT and negative zero count too.
            assert left.tobytes() == right.tobytes()
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


dtypes = st.one_of(
    hnp.scalar_dtypes(),
    hnp.array_dtypes(subtype_strategy=hnp.scalar_dtypes(), max_size=3),
)


@st.composite
def any_arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of all types, up to three axes, in C order, Fortran order, with gaps, and backwards."""
    dtype = draw(dtypes)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
    size = int(np.prod(shape)) * dtype.itemsize
    seed = draw(st.integers(0, 2**32 - 1))
    if dtype.kind in "USO" or dtype.fields:
        made = draw(hnp.arrays(dtype, shape))
    else:
        made = (
            np.frombuffer(np.random.default_rng(seed).bytes(size), dtype.str).reshape(shape).copy()
            if size
            else np.zeros(shape, dtype)
        )
        if dtype.kind == "b":
            made = made.view("u1").astype(bool).reshape(shape)
    form = draw(st.sampled_from(["C", "F", "gaps", "backwards", "transposed"]))
    if form == "F":
        made = np.asfortranarray(made)
    elif form == "transposed":
        made = made.T
    elif form == "gaps" and made.ndim:
        made = made[..., ::2]
    elif form == "backwards" and made.ndim:
        made = made[::-1]
    return made


plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.binary(max_size=8)
)
nested = st.recursive(
    st.one_of(plain, any_arrays()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4), st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("limits", ["as they are", "all outside", "all gathered"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(obj=nested)
def test_nested_structures_with_arrays_come_back_equal(
    limits: str, obj: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the limits between stream, pack and own files lie, every structure of arrays comes back as it was."""
    if limits != "as they are":
        # Small arrays then take the ways that are meant for large ones.
        monkeypatch.setattr(_pickler, "TINY", 1)
        monkeypatch.setattr(_pickler, "STREAM_BUDGET", 0)
        monkeypatch.setattr(_pickler, "OWN_FILE", 16 if limits == "all outside" else 1)
    folder = tmp_path_factory.mktemp("model")
    assert_same(obj, round_trip(obj, folder))


@pytest.mark.parametrize("size", [0, 1, _layout.TINY - 1, _layout.TINY, LARGE - 8, LARGE, LARGE + 8, 3 * LARGE])
def test_arrays_on_each_side_of_each_limit_come_back(size: int, tmp_path: Path) -> None:
    """The limits between stream, pack and own file lose no byte."""
    model = [np.random.default_rng(number).integers(0, 255, size, dtype=np.uint8) for number in range(3)]
    assert_same(model, round_trip(model, tmp_path))


def test_a_small_model_is_one_file(tmp_path: Path) -> None:
    """A model with little data costs one sync."""
    pickling.dump({"coef": np.zeros((10, 784)), "classes": np.arange(10)}, tmp_path)
    assert files(tmp_path) == {"model.pkl"}


def test_large_arrays_have_files_of_their_own_with_nothing_else_in_them(tmp_path: Path) -> None:
    """The same array in two models is the same file, so a store keeps it once."""
    weights = np.random.default_rng(0).random(LARGE // 8)
    pickling.dump({"weights": weights, "step": 1}, tmp_path, name="one")
    pickling.dump(["something else", np.ones(LARGE), weights], tmp_path, name="two")
    assert files(tmp_path) == {
        *("one.pkl", "one.buffers.json", "one.0.buffer"),
        *("two.pkl", "two.buffers.json", "two.0.buffer", "two.1.buffer"),
    }
    assert (tmp_path / "one.0.buffer").read_bytes() == (tmp_path / "two.1.buffer").read_bytes() == weights.tobytes()


def test_many_middling_arrays_share_one_aligned_file(tmp_path: Path) -> None:
    """Past the first MiB, smaller arrays lie in one file, each at a multiple of 64 bytes."""
    model = [np.full(5001, number % 256, np.uint8) for number in range(500)]
    loaded = round_trip(model, tmp_path)
    assert_same(model, loaded)
    assert files(tmp_path) == {"model.pkl", "model.buffers.json", "model.packed.buffer"}
    packed = [each for each in loaded if each.ctypes.data % 4096 % 64 == 0]
    assert len(packed) >= 500 - LARGE // 5001 - 1


@pytest.mark.parametrize(
    "dtype", ["f4", ">i8", "M8[ns]", "m8[s]", "c16", "S7", "U3", "V5", [("a", "i2"), ("b", "M8[s]")]]
)
@pytest.mark.parametrize("form", ["C", "F", "gaps", "backwards", "axes swapped", "broadcast"])
def test_large_arrays_of_each_order_and_type_lie_outside_the_stream(dtype: Any, form: str, tmp_path: Path) -> None:
    """No large array of plain elements goes through the stream, whatever its order and type."""
    itemsize = np.dtype(dtype).itemsize
    count = -(-2 * LARGE // itemsize // 256) * 256
    raw = np.random.default_rng(0).integers(1, 100, count * itemsize, dtype=np.uint8)
    if dtype == "U3":
        raw = np.arange(count * 3, dtype="u4").view("u1") % 100
        raw.reshape(-1, 4)[:, 1:] = 0
    made: Any = raw.view(dtype).reshape(16, -1, 16)
    made = {
        "C": lambda: made,
        "F": lambda: np.asfortranarray(made),
        "gaps": lambda: made[:, :, ::2],
        "backwards": lambda: made[:, ::-1],
        "axes swapped": lambda: made.transpose(1, 0, 2),
        "broadcast": lambda: np.broadcast_to(made[:1], made.shape),
    }[form]()
    loaded = round_trip(made, tmp_path)
    assert_same(made, loaded)
    assert (tmp_path / "model.pkl").stat().st_size < 1000
    if form == "F":
        assert loaded.flags.f_contiguous


def test_an_array_with_gaps_is_not_copied_whole(tmp_path: Path) -> None:
    """Saving a view of a large array takes a few pieces of memory, not a copy of the view."""
    import tracemalloc

    view = np.zeros((4096, 4096), np.float32)[:, :2048]
    tracemalloc.start()
    pickling.dump(view, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < view.nbytes / 4


def test_loaded_arrays_are_writable_unless_they_were_not(tmp_path: Path) -> None:
    """An array that could be written to can be after loading; one that was read-only still is."""
    writable, fixed = np.zeros(LARGE), np.zeros(LARGE)
    fixed.flags.writeable = False
    small = np.zeros(3)
    loaded = round_trip([writable, fixed, small, writable[::2]], tmp_path)
    assert [each.flags.writeable for each in loaded] == [True, False, True, True]


def test_object_arrays_come_back(tmp_path: Path) -> None:
    """Arrays of Python objects, which have no plain bytes, go through the stream."""
    model = np.array([{"a": 1}, "text", None, np.arange(3).tolist()], dtype=object)
    assert_same(model, round_trip(model, tmp_path))


@pytest.mark.parametrize("count", [0, 1, 1000, LARGE])
def test_bytes_bytearrays_and_standard_arrays_come_back(count: int, tmp_path: Path) -> None:
    """The types of bytes that Python brings come back as the same types."""
    model = [b"x" * count, bytearray(b"y" * count), array.array("d", [1.5] * count), (b"z" * count).decode()]
    assert_same(model, round_trip(model, tmp_path))


@pytest.mark.parametrize("count", [0, 8, 80_000, LARGE])
@pytest.mark.parametrize("mutable", [True, False])
def test_memoryviews_come_back_as_memoryviews(count: int, mutable: bool, tmp_path: Path) -> None:
    """A view of bytes comes back as a view, read-only if it was."""
    content = bytes(range(256)) * (count // 256) + bytes(count % 256)
    view = memoryview(bytearray(content) if mutable else content)
    loaded = round_trip(view, tmp_path)
    assert isinstance(loaded, memoryview)
    assert loaded == content
    assert loaded.readonly is not mutable


@pytest.mark.parametrize("large", [False, True])
def test_memoryviews_keep_their_format_and_shape(large: bool, tmp_path: Path) -> None:
    """Views of numbers, with several axes, and with gaps come back with the same elements."""
    values = np.arange(LARGE // 2 if large else 24, dtype=np.float64).reshape(2, 3 if not large else 4, -1)
    for number, view in enumerate([memoryview(values), memoryview(values[:, ::2]), memoryview(values.ravel())[::3]]):
        pickling.dump(view, tmp_path, name=f"v{number}")
        loaded = pickling.load(tmp_path, name=f"v{number}")
        assert (loaded.format, loaded.shape) == (view.format, view.shape)
        assert np.array_equal(np.asarray(loaded), np.asarray(view))


@pytest.mark.parametrize("count", [10, 100_000, LARGE])
def test_pickle_buffers_come_back_with_their_content(count: int, tmp_path: Path) -> None:
    """A PickleBuffer, which is only a wrapper, comes back as something with the same bytes."""
    loaded = round_trip(pickle.PickleBuffer(bytearray(b"b" * count)), tmp_path)
    assert bytes(memoryview(loaded)) == b"b" * count


def test_data_frames_come_back(tmp_path: Path) -> None:
    """Pandas frames with columns of every usual type, small and large, come back equal."""
    pd = pytest.importorskip("pandas")
    rows = 300_000
    frame = pd.DataFrame(
        {
            "number": np.arange(rows) * 0.5,
            "count": np.arange(rows),
            "when": pd.date_range("2020-01-01", periods=rows, freq="s"),
            "text": ["a", "b", "c"] * (rows // 3),
            "kind": pd.Categorical(["x", "y"] * (rows // 2)),
            "maybe": pd.array([1, None, 3] * (rows // 3), dtype="Int64"),
        }
    )
    pickling.dump({"large": frame, "small": frame.head(3)}, tmp_path)
    loaded = pickling.load(tmp_path)
    pd.testing.assert_frame_equal(loaded["large"], frame)
    pd.testing.assert_frame_equal(loaded["small"], frame.head(3))


def test_shared_and_cyclic_references_come_back(tmp_path: Path) -> None:
    """One array held twice is one array afterwards, and a list may hold itself."""
    weights = np.zeros(LARGE)
    model: list[Any] = [weights, weights]
    model.append(model)
    loaded = round_trip(model, tmp_path)
    assert loaded[0] is loaded[1]
    assert loaded[2] is loaded

"""Makers of numpy's arrays, scalars and dtypes: by core's own calls, with sizes checked against the bytes that are there."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from tiffin.building._attributes import PLAIN
from tiffin.building._lists import Maker, is_one, names, require
from tiffin.inspection import InertDtype

SCALARS = frozenset({
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.longlong, np.ulonglong,
    np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128, np.clongdouble, np.str_, np.bytes_,
    np.datetime64, np.timedelta64,
})  # fmt: skip
"""numpy's own types of scalars."""
_BYTES = (bytes, bytearray, memoryview)
_MOST = 1 << 48
_DIMENSIONS = 32
_dtypes: dict[str, np.dtype[Any]] = {}


def make_dtype(inert: InertDtype) -> np.dtype[Any]:
    """Return the dtype that a stream describes."""
    spec = inert.spec
    dtype: np.dtype[Any]
    if type(spec) is not str:
        dtype = np.dtype(spec)
    else:
        known = _dtypes.get(spec)
        dtype = np.dtype(spec) if known is None else known
        if len(_dtypes) < 1000:
            _dtypes[spec] = dtype
    require(
        dtype.itemsize == inert.size
        and dtype.hasobject == inert.has_objects
        and inert.alignment in (0, dtype.alignment),
        "it makes a dtype of another size",
    )
    return dtype


def make_array(
    data: Any,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    order: str = "C",
    *,
    copy: bool = False,
    native: bool = False,
) -> np.ndarray[Any, Any]:
    """Return an array over bytes.

    Args:
        data: bytes, or a view of them, exactly as many as the array has. It is shared, unless it must not be written to.
        dtype: of its elements, never objects.
        shape: any, as a tuple of numbers.
        order: "C" or "F".
        copy: whether to copy what could be shared, too.
        native: whether to turn the bytes of each element into this machine's order, as numpy does with what it copies.

    Raises:
        Unbuildable: they do not fit together.
    """
    require(not dtype.hasobject, "it takes bytes for objects")
    require(is_one(order, "C", "F"), "it makes an array otherwise than numpy does")
    check_shape(shape)
    size = data.nbytes if type(data) is memoryview else len(data)
    require(prod(shape) * dtype.itemsize == size, "it makes an array of another size than its bytes")
    require(dtype.itemsize or prod(shape) <= 1, "it makes an array of elements without a size")
    array: np.ndarray[Any, Any]
    if not size:
        dtype = dtype.newbyteorder("=") if native and _is_foreign(dtype) else dtype
        array = np.zeros(shape, dtype, order="F" if order == "F" else "C")
        array.flags.writeable = copy or not memoryview(data).readonly
        return array
    array = np.frombuffer(data, dtype)
    if native and _is_foreign(dtype):
        array = array.astype(dtype.newbyteorder("="))
    elif copy or not array.flags.aligned:  # compiled code relies on it
        array = array.copy()
    return array.reshape(shape, order="F" if order == "F" else "C")


def _is_foreign(dtype: np.dtype[Any]) -> bool:
    """Tell whether all numbers of an element are in another byte order than this machine's."""
    parts = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
    return not any(part.isnative for part in parts)


def check_shape(shape: Any) -> None:
    """Refuse a shape that is none, or of which no bytes could tell the size."""
    require(type(shape) is tuple and len(shape) <= _DIMENSIONS, "it makes an array of no shape")
    size = 1
    for length in shape:
        require(type(length) is int and 0 <= length < _MOST, "it makes an array of no shape")
        size *= length or 1
    require(size < _MOST, "it makes an array of an impossible size")


def of_objects(items: Any, shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
    """Return an array of objects, filled one by one. Whatever its order in memory, they come in that of its indexes."""
    check_shape(shape)
    require(type(items) is list and len(items) == prod(shape), "it makes an array of another size than its objects")
    array = np.empty(shape, object, order="F" if order == "F" else "C")
    if items:  # numpy counts through the other axes of an array without elements, however long they are
        for place, item in zip(np.ndindex(shape), items, strict=True):
            array[place] = item
    return array


def _reconstruct(arguments: tuple[Any, ...], state: Any) -> Any:
    kind, shape, code = arguments
    require(
        names(kind, "numpy.ndarray") and is_one(shape, (0,)) and is_one(code, b"b", "b")
        and type(state) is tuple and len(state) == 5,
        "it makes an array otherwise than numpy does",
    )  # fmt: skip
    version, shape, dtype, is_fortran, content = state
    require(
        type(version) is int and version == 1 and isinstance(dtype, np.dtype) and type(is_fortran) in (bool, int),
        "it makes an array otherwise than numpy does",
    )
    order = "F" if is_fortran else "C"
    if dtype.hasobject:
        require(dtype == np.dtype(object), "it makes an array of records of objects")
        return of_objects(content, shape, order)
    require(type(content) is bytes, "it makes an array otherwise than numpy does")
    return make_array(content, dtype, shape, order, copy=True, native=dtype.names is None)


def _frombuffer(arguments: tuple[Any, ...], state: Any) -> Any:
    require(state is None and len(arguments) in (4, 5), "it makes an array otherwise than numpy does")
    data, dtype, shape, order, *axes = arguments
    require(type(data) in _BYTES and isinstance(dtype, np.dtype), "it makes an array otherwise than numpy does")
    if axes and axes[0] is not None:
        check_shape(shape)
        require(
            is_one(order, "K") and type(axes[0]) is tuple and all(type(axis) is int for axis in axes[0])
            and sorted(axes[0]) == list(range(len(shape))),
            "it makes an array otherwise than numpy does",
        )  # fmt: skip
        return make_array(data, dtype, shape).transpose(axes[0])
    return make_array(data, dtype, shape, order)


def _scalar(arguments: tuple[Any, ...], state: Any) -> Any:
    dtype, data = arguments
    require(
        state is None and isinstance(dtype, np.dtype) and not dtype.hasobject and dtype.names is None
        and dtype.type in SCALARS and type(data) is bytes and len(data) == dtype.itemsize,
        "it makes a scalar otherwise than numpy does",
    )  # fmt: skip
    return np.frombuffer(data, dtype)[0] if data else dtype.type()


def _masked(arguments: tuple[Any, ...], state: Any) -> Any:
    kind, base, shape, code = arguments
    require(
        names(kind, "numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
        and names(base, "numpy.ndarray") and is_one(shape, (0,)) and is_one(code, b"b", "b")
        and type(state) is tuple and len(state) == 7,
        "it makes a masked array otherwise than numpy does",
    )  # fmt: skip
    version, shape, dtype, is_fortran, content, mask, fill = state
    require(
        type(version) is int and version == 1 and isinstance(dtype, np.dtype) and type(is_fortran) in (bool, int),
        "it makes a masked array otherwise than numpy does",
    )
    order = "F" if is_fortran else "C"
    if dtype.hasobject:
        require(dtype == np.dtype(object), "it makes an array of records of objects")
        data = of_objects(content, shape, order)
    else:
        require(type(content) is bytes and dtype.names is None, "it makes a masked array otherwise than numpy does")
        data = make_array(content, dtype, shape, order, copy=True, native=True)
    require(type(mask) is bytes, "it makes a masked array otherwise than numpy does")
    plain = type(fill) in PLAIN or type(fill) in SCALARS
    # numpy turns the fill value into an element: of an object it would ask its text.
    alone = type(fill) is np.ndarray and fill.shape == () and fill.dtype.hasobject <= dtype.hasobject
    require(plain or alone, "it makes a masked array otherwise than numpy does")
    array = np.ma.MaskedArray(data, make_array(mask, np.dtype(bool), shape, order, copy=True))
    if fill is not None:
        array.fill_value = fill
    return array


def makers() -> Iterator[tuple[str, Maker]]:
    """Yield the names that numpy's pickles call, and how what they stand for is made."""
    arrays = Maker(_reconstruct, frozenset({"numpy.ndarray"}))
    for module in ("numpy.core", "numpy._core"):
        yield f"{module}.multiarray._reconstruct", arrays
        yield f"{module}.multiarray.scalar", Maker(_scalar)
        yield f"{module}.numeric._frombuffer", Maker(_frombuffer)
    takes = frozenset({"numpy.ndarray", "numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"})
    yield "numpy.ma.core._mareconstruct", Maker(_masked, takes)


SCALAR_NAMES = tuple(
    f"numpy.{name}"
    for name in (
        "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intc", "uintc",
        "longlong", "ulonglong", "float16", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble",
        "str_", "bytes_", "datetime64", "timedelta64", "int_", "intp", "uint", "uintp", "object_",
    )
)  # fmt: skip
"""Names of numpy's types of scalars, which stand as values: what an estimator or encoder is to answer with."""

"""Names that any pickle may import: those of plain data and of numpy's arrays.

Each was chosen because unpickling with it runs no code but Python's and numpy's own, whatever its arguments and state are.
That leaves out what calls something else (`functools.partial`, `operator.attrgetter`, `builtins.map`, `getattr`, `type`),
opens files (`numpy.memmap`), or reads other formats (`numpy.load`); and everything of cloudpickle's, which makes classes and
functions of what the file says.
"""

from __future__ import annotations

_BUILTINS = (
    "Ellipsis", "NotImplemented", "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list",
    "object", "range", "set", "slice", "str", "tuple",
)  # fmt: skip
_STANDARD = (
    # Bytes in protocols up to 2; it encodes text, and decodes nothing.
    "_codecs.encode",
    "array._array_reconstructor",
    "array.array",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "uuid.SafeUUID",
    "uuid.UUID",
)
_PATHS = ("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath")
_NUMPY = (
    "dtype",
    "ndarray",
    # Their stand-ins are followed closely: see _numpy.py.
    "ma.MaskedArray",
    "ma.core.MaskedArray",
    "ma.core._mareconstruct",
)
_NUMPY_CORE = ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
_NUMPY_SCALARS = (
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intc", "uintc", "longlong",
    "ulonglong", "float16", "float32", "float64", "float128", "longdouble", "complex64", "complex128", "complex256",
    "clongdouble", "str_", "bytes_", "datetime64", "timedelta64", "int_", "intp", "uint", "uintp",
)  # fmt: skip
_NUMPY_RANDOM = (
    "_pickle.__bit_generator_ctor", "_pickle.__generator_ctor", "_pickle.__randomstate_ctor", "_mt19937.MT19937",
    "_pcg64.PCG64", "_pcg64.PCG64DXSM", "_philox.Philox", "_sfc64.SFC64", "bit_generator.SeedSequence",
    "bit_generator.__pyx_unpickle_SeedSequence",
)  # fmt: skip

PLAIN_NAMES = frozenset(
    [f"builtins.{name}" for name in _BUILTINS]
    + list(_STANDARD)
    + [f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in _PATHS]
    + [f"numpy.{name}" for name in (*_NUMPY, *_NUMPY_SCALARS)]
    + [f"numpy.{core}.{name}" for core in ("core", "_core") for name in _NUMPY_CORE]
    + [f"numpy.random.{name}" for name in _NUMPY_RANDOM]
    + ["tiffin.pickling.restore_memoryview"]
)
"""Dotted names that need no adapter's leave."""

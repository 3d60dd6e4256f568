"""Which of numpy's dtypes have a plain form in frames, and how they are written there."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import numpy as np

_SIMPLE_DTYPE = re.compile(r"[<>|=][biufcmMSUV][0-9]{1,9}(\[[0-9a-zA-Z]{1,8}\])?")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Cache(dict[_Key, _Value]):
    """A dict that is emptied when it has grown to some hundred entries: what fills it may come from a peer."""

    def put(self, key: _Key, value: _Value) -> None:
        """Keep a value."""
        if len(self) >= 512:
            self.clear()
        self[key] = value


_specs: Cache[np.dtype[Any], Any] = Cache()


def dtype_spec(dtype: np.dtype[Any]) -> Any:
    """Return the dtype in JSON, or `None` if its values are not plain bytes."""
    try:
        return _specs[dtype]
    except KeyError:
        spec = _make_spec(dtype)
        _specs.put(dtype, spec)
        return spec


def _make_spec(dtype: np.dtype[Any]) -> Any:
    if dtype.hasobject or dtype.kind not in "biufcmMSUV":
        return None
    if dtype.subdtype is not None:
        base = dtype_spec(dtype.subdtype[0])
        return None if base is None else {"base": base, "shape": list(dtype.subdtype[1])}
    if dtype.names is None:
        # Others' dtypes (bfloat16) call themselves void too, and would arrive as raw bytes.
        return dtype.str if np.dtype(dtype.str) == dtype and issubclass(dtype.type, np.generic) else None
    fields = []
    for name in dtype.names:
        of_field, offset, *title = dtype.fields[name]  # type: ignore[index]
        spec = dtype_spec(of_field)
        if spec is None or not all(isinstance(text, str) for text in title):
            return None
        fields.append([name, spec, offset, *title])
    return {"fields": fields, "size": dtype.itemsize}


_dtypes: Cache[str, np.dtype[Any]] = Cache()


def dtype_from(spec: Any, depth: int = 0) -> np.dtype[Any]:
    """Return the dtype for what `dtype_spec` wrote; raises ValueError or TypeError for anything else."""
    if type(spec) is str:
        dtype = _dtypes.get(spec)
        if dtype is None:
            if not _SIMPLE_DTYPE.fullmatch(spec):
                raise ValueError(f"{spec[:40]!r} is not the name of a plain dtype")
            dtype = np.dtype(spec)
            _dtypes.put(spec, dtype)
        return dtype
    if depth > 8:
        raise ValueError("a dtype nests too deep")
    if "base" in spec:
        return np.dtype((dtype_from(spec["base"], depth + 1), tuple(shape_from(spec["shape"]))))
    described: dict[str, Any] = {"names": [], "formats": [], "offsets": [], "titles": [], "itemsize": int(spec["size"])}
    for name, inner, offset, *title in spec["fields"]:
        described["names"].append(str(name))
        described["formats"].append(dtype_from(inner, depth + 1))
        described["offsets"].append(int(offset))
        described["titles"].append(str(title[0]) if title else None)
    return np.dtype(described)  # type: ignore[call-overload, no-any-return]


def shape_from(value: Any) -> list[int]:
    """Return the shape that is written in a frame; raises ValueError for anything else."""
    if type(value) is not list or len(value) > 32 or any(type(size) is not int or size < 0 for size in value):
        raise ValueError(f"{str(value)[:40]} is not a shape")
    return value

"""Whether a value is what a spec says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from tiffin.exceptions import SignatureError
from tiffin.signatures._spec import infer_spec
from tiffin.signatures._spec_form import SCALARS, Spec, describe_shape, describe_spec, plain_spec
from tiffin.signatures._text import of_method
from tiffin.values.looks import class_names, dtype_name, is_array, is_frame, is_series, plain_name, shape_of


def check_spec(spec: Any, value: Any, *, where: str = "value", method: str = "") -> None:
    """Check that `value` is what `spec` says; what the spec leaves out is not checked.

    Args:
        spec: a spec as `infer_spec` makes it, or as a user writes it (see `plain_spec`).
        value: the value. Elements of arrays are not read; items of lists are all looked at.
        where: the value's place, for errors: "input", "output".
        method: the method that it belongs to, for errors.

    Raises:
        SignatureError: the value contradicts the spec; the text names the place inside the value, what was expected
            there and what was found. Also raised when `spec` is not a spec.
    """
    _Check(method).check(plain_spec(spec, where=f"spec of {where}", method=method), value, where)


class _Check:
    """One check; knows the method, for errors."""

    def __init__(self, method: str) -> None:
        self._method = method

    def check(self, spec: Spec, value: Any, where: str) -> None:
        kind = spec["type"]
        if kind in SCALARS:
            if not _is_scalar(kind, value):
                self._fail(where, spec, value)
        elif kind != "any":
            getattr(self, f"_check_{kind}")(spec, value, where)

    def _check_array(self, spec: Spec, value: Any, where: str) -> None:
        if not is_array(value) or is_frame(value) or is_series(value):
            self._fail(where, spec, value)
        shape = shape_of(value)
        expected = spec.get("shape", shape)
        fits = len(expected) == len(shape) and all(
            length is None or length == found for length, found in zip(expected, shape, strict=True)
        )
        if not fits:
            self._differ(where, f"shape {describe_shape(expected)}", describe_shape(shape))
        self._same_dtype(spec, value.dtype, where)

    def _check_series(self, spec: Spec, value: Any, where: str) -> None:
        if not is_series(value) or is_frame(value):
            self._fail(where, spec, value)
        name = plain_name(getattr(value, "name", None))
        if "name" in spec and spec["name"] != name:
            self._differ(where, f"the name {spec['name']!r}", repr(name))
        self._same_dtype(spec, value.dtype, where)

    def _check_frame(self, spec: Spec, value: Any, where: str) -> None:
        if not is_frame(value):
            self._fail(where, spec, value)
        if "columns" not in spec:
            return
        expected = [column["name"] for column in spec["columns"]]
        found = [plain_name(name) for name in value.columns]
        if expected != found:
            self._differ(where, f"the columns {expected!r}", _columns_found(expected, found))
        for column, dtype in zip(spec["columns"], value.dtypes, strict=True):
            self._same_dtype(column, dtype, f"{where}[{column['name']!r}]")

    def _check_list(self, spec: Spec, value: Any, where: str) -> None:
        if not isinstance(value, list):
            self._fail(where, spec, value)
        if "items" in spec:
            for i, item in enumerate(value):
                self.check(spec["items"], item, f"{where}[{i}]")

    def _check_tuple(self, spec: Spec, value: Any, where: str) -> None:
        if not isinstance(value, tuple):
            self._fail(where, spec, value)
        if "items" not in spec:
            return
        if len(spec["items"]) != len(value):
            self._differ(where, f"{len(spec['items'])} items", str(len(value)))
        for i, (item_spec, item) in enumerate(zip(spec["items"], value, strict=True)):
            self.check(item_spec, item, f"{where}[{i}]")

    def _check_dict(self, spec: Spec, value: Any, where: str) -> None:
        if not isinstance(value, Mapping) or is_frame(value):
            self._fail(where, spec, value)
        if "properties" not in spec:
            return
        expected = spec["properties"]
        if expected.keys() != value.keys():
            self._differ(where, f"the keys {sorted(expected)!r}", repr(sorted(value, key=repr)))
        for key, item_spec in expected.items():
            self.check(item_spec, value[key], f"{where}[{key!r}]")

    def _check_arguments(self, spec: Spec, value: Any, where: str) -> None:
        # An argument that is left out has a default.
        for name, item in value.items():
            if name not in spec["properties"]:
                self._differ(where, f"the arguments {list(spec['properties'])!r}", repr(name))
            self.check(spec["properties"][name], item, f"{where}[{name!r}]")

    def _check_object(self, spec: Spec, value: Any, where: str) -> None:
        if "class" in spec and spec["class"] not in class_names(value):
            self._fail(where, spec, value)

    def _same_dtype(self, spec: Spec, dtype: Any, where: str) -> None:
        found = dtype_name(dtype)
        if spec.get("dtype", found) != found:
            self._differ(where, f"dtype {spec['dtype']}", found)

    def _fail(self, where: str, spec: Spec, value: Any) -> NoReturn:
        self._differ(where, describe_spec(spec), describe_spec(infer_spec(value)))

    def _differ(self, where: str, expected: str, found: str) -> NoReturn:
        raise SignatureError(
            f"{where}{of_method(self._method)}: expected {expected}, found {found}",
            why="The signature's spec says so",
            fix="Correct the spec or the value; a spec that is left out is taken from the example",
            method=self._method,
        )


def _is_scalar(kind: str, value: Any) -> bool:
    if is_array(value) and not is_frame(value) and shape_of(value) == [] and hasattr(value, "item"):
        value = value.item()  # numpy's scalars stand for Python's
    if kind in ("int", "float") and isinstance(value, bool):
        return False
    return isinstance(value, SCALARS[kind])


def _columns_found(expected: list[Any], found: list[Any]) -> str:
    missing = [name for name in expected if name not in found]
    added = [name for name in found if name not in expected]
    parts = [f"without {missing!r}"] * bool(missing) + [f"with {added!r} added"] * bool(added)
    return f"{found!r} ({' and '.join(parts) or 'another order'})"

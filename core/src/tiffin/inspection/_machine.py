"""The inert unpickler: follows a pickle's operations and calls nothing.

Every global is a stub that is only noted, every object that the pickle would make is an empty stand-in, and state that it
would set is kept aside. So nothing that the file names is imported, and nothing runs. What it cannot follow is a problem,
and a problem counts as much as a dangerous name: it never passes for safe.

The opcodes are those of Python's pickletools; the frame of raw array data is that of joblib's NumpyArrayWrapper.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Callable
from math import prod
from typing import IO, Any, ClassVar

from tiffin.inspection._limits import InspectionLimits

_WRAPPERS = frozenset(
    {"joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper"}
)
_DTYPE = re.compile(r"[<>|=]?([a-zA-Z])(\d*)")
_Base: Any = pickle._Unpickler  # type: ignore[attr-defined]  # the unpickler in Python: the one in C cannot be followed


class Unfollowable(Exception):
    """The pickle does something that cannot be followed."""


class Name:
    """A global that the pickle names; never imported."""

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


class Made:
    """What the pickle would make by a call: of what, with which arguments, with which state."""

    def __init__(self, of: Any, arguments: Any = ()) -> None:
        self.of = of
        self.arguments = arguments
        self.state: Any = None

    @property
    def kind(self) -> str:
        """The dotted name of what would be called, empty where that is itself the result of a call."""
        return self.of.dotted if isinstance(self.of, Name) else ""


class Machine(_Base):  # type: ignore[misc]  # the base has no types
    """Follows one pickle of a stream.

    Args:
        stream: read from where it is, to the end of the pickle.
        size: bytes that the stream can have at most: no operation may claim more.
        limits: how much to do.
        found: noted here: dotted name → how often.
        nested: called with the stream where joblib keeps a pickle of its own inside.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Base.dispatch)

    def __init__(
        self,
        stream: IO[bytes],
        size: int,
        limits: InspectionLimits,
        found: dict[str, int],
        nested: Callable[[IO[bytes]], None],
    ) -> None:
        super().__init__(stream, buffers=None)
        self._stream = stream
        self._size = size
        self._limits = limits
        self._found = found
        self._nested = nested

    def run(self) -> int:
        """Follow the pickle to its end; returns the number of operations.

        Raises:
            Unfollowable: it is damaged, or does what cannot be followed.
        """
        self._left = self._limits.max_operations
        try:
            self.load()
        except Unfollowable:
            raise
        except EOFError as error:
            raise Unfollowable("it is cut off") from error
        # Whatever a malformed pickle makes the unpickler stumble over, it could not be followed.
        except (
            pickle.UnpicklingError,
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
            struct.error,
            UnicodeDecodeError,
            OverflowError,
            MemoryError,
            RecursionError,
        ) as error:
            raise Unfollowable(f"it is damaged ({type(error).__name__}: {error})") from error
        return self._limits.max_operations - self._left

    def load(self) -> Any:
        """Follow the operations; counts them."""
        self._unframer = pickle._Unframer(self._file_read, self._file_readline)  # type: ignore[attr-defined]
        self.read = self._unframer.read
        self.readinto = self._unframer.readinto
        self.readline = self._unframer.readline
        self.metastack: list[Any] = []
        self.stack: list[Any] = []
        self.append = self.stack.append
        self.proto = 0
        read, dispatch = self.read, self.dispatch
        while True:
            key = read(1)
            if not key:
                raise EOFError
            self._left -= 1
            if self._left < 0:
                raise Unfollowable(f"it has more than {self._limits.max_operations} operations")
            if key == pickle.STOP:
                return None
            dispatch[key[0]](self)

    # -- what would import ---------------------------------------------------------------------------------------------

    def _note(self, module: Any, name: Any) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Unfollowable("it computes the name of what it imports")
        dotted = f"{module}.{name}"
        self._found[dotted] = self._found.get(dotted, 0) + 1
        return Name(dotted)

    def load_global(self) -> None:
        """Note a global."""
        module = self.readline()[:-1].decode("utf-8")
        name = self.readline()[:-1].decode("utf-8")
        self.append(self._note(module, name))

    def load_stack_global(self) -> None:
        """Note a global whose name stands on the stack."""
        name = self.stack.pop()
        module = self.stack.pop()
        self.append(self._note(module, name))

    def load_inst(self) -> None:
        """Note a class, and stand in for its instance."""
        module = self.readline()[:-1].decode("ascii")
        name = self.readline()[:-1].decode("ascii")
        self.append(Made(self._note(module, name), self.pop_mark()))

    def get_extension(self, code: int) -> None:
        """Refuse an extension code: what it stands for is known only to the program that registered it."""
        raise Unfollowable(f"it uses the copyreg extension {code}")

    def load_persid(self) -> None:
        """Refuse a persistent id: what it loads is up to the reader."""
        raise Unfollowable("it uses a persistent id")

    # -- what would run ------------------------------------------------------------------------------------------------

    def load_obj(self) -> None:
        """Stand in for an instance."""
        arguments = self.pop_mark()
        self.append(Made(arguments[0], arguments[1:]))

    def load_newobj(self) -> None:
        """Stand in for an instance."""
        arguments = self.stack.pop()
        self.stack[-1] = Made(self.stack[-1], arguments)

    def load_newobj_ex(self) -> None:
        """Stand in for an instance."""
        self.stack.pop()
        self.load_newobj()

    def load_reduce(self) -> None:
        """Stand in for the result of a call."""
        arguments = self.stack.pop()
        self.stack[-1] = Made(self.stack[-1], arguments)

    def load_build(self) -> None:
        """Keep aside the state that would be set; behind joblib's array wrappers skip the raw data."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Made):
            target.state = state
            if target.kind in _WRAPPERS:
                self._skip_array(state)

    def load_append(self) -> None:
        """Append to a list; what would be a method of another object is left out."""
        value = self.stack.pop()
        if isinstance(self.stack[-1], list):
            self.stack[-1].append(value)

    def load_appends(self) -> None:
        """Append to a list, as `load_append`."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def load_setitem(self) -> None:
        """Set an item of a dict; what would be a method of another object is left out."""
        value = self.stack.pop()
        key = self.stack.pop()
        if isinstance(self.stack[-1], dict):
            self.stack[-1][key] = value

    def load_setitems(self) -> None:
        """Set items of a dict, as `load_setitem`."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def load_additems(self) -> None:
        """Add to a set; what would be a method of another object is left out."""
        items = self.pop_mark()
        if isinstance(self.stack[-1], set):
            self.stack[-1].update(items)

    # -- data ----------------------------------------------------------------------------------------------------------

    def load_bytearray8(self) -> None:
        """Read a bytearray of no more than the file has."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > self._size:
            raise Unfollowable(f"it claims {length} bytes, and the file has {self._size}")
        self.append(bytearray(self.read(length)))

    def load_next_buffer(self) -> None:
        """Stand in for a buffer that lies outside the pickle."""
        self.append(Made(None))

    def load_readonly_buffer(self) -> None:
        """Leave the stand-in as it is."""

    def _skip_array(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise Unfollowable("it holds an array wrapper without fields")
        shape, dtype = state.get("shape"), state.get("dtype")
        code = (
            dtype.arguments[0] if isinstance(dtype, Made) and dtype.kind == "numpy.dtype" and dtype.arguments else None
        )
        match = _DTYPE.fullmatch(code) if isinstance(code, str) else None
        if match is None or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise Unfollowable("it holds an array whose size cannot be told")
        if match[1] == "O":
            self._nested(self._stream)
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._skip(self._skip(1)[0])
        self._skip(prod(shape) * int(match[2] or 0) * (4 if match[1] == "U" else 1), keep=False)

    def _skip(self, count: int, *, keep: bool = True) -> bytes:
        if count > self._size:
            raise Unfollowable(f"it claims an array of {count} bytes, and the file has {self._size}")
        data = b""
        while count:
            data = self._stream.read(min(count, 1 << 20))
            if not data:
                raise EOFError
            count -= len(data)
            if keep:
                break
        return data


def _register() -> None:
    for opcode, name in (
        (pickle.GLOBAL, "load_global"), (pickle.STACK_GLOBAL, "load_stack_global"), (pickle.INST, "load_inst"),
        (pickle.PERSID, "load_persid"), (pickle.BINPERSID, "load_persid"), (pickle.OBJ, "load_obj"),
        (pickle.NEWOBJ, "load_newobj"), (pickle.NEWOBJ_EX, "load_newobj_ex"), (pickle.REDUCE, "load_reduce"),
        (pickle.BUILD, "load_build"), (pickle.APPEND, "load_append"), (pickle.APPENDS, "load_appends"),
        (pickle.SETITEM, "load_setitem"), (pickle.SETITEMS, "load_setitems"), (pickle.ADDITEMS, "load_additems"),
        (pickle.BYTEARRAY8, "load_bytearray8"), (pickle.NEXT_BUFFER, "load_next_buffer"),
        (pickle.READONLY_BUFFER, "load_readonly_buffer"),
    ):  # fmt: skip
        Machine.dispatch[opcode[0]] = getattr(Machine, name)


_register()

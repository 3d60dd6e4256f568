"""The stack and the memo of the inert unpickler, and the operations that only push plain values."""

from __future__ import annotations

from typing import Any

from tiffin.inspection._inert import ATTRIBUTES, OPAQUE, Marker, Unfollowable
from tiffin.inspection._inspection_limits import InspectionLimits
from tiffin.inspection._source import Source

_NAME = 256
"""Characters up to which a text is kept: it may become a name."""
_KEPT_TEXT = 32 << 20
"""Characters that the memo keeps, of all texts together."""
_DEEP = 1 << 16
"""Objects on the stack from which on texts are not kept."""
_MAX_PROBLEMS = 20


class Stack:
    """What the operations of a pickle work on.

    Of what the pickle holds, only what may become a name, or the size of an array, is kept; all else is `OPAQUE`.

    Args:
        source: the stream.
        limits: how much to keep.
        problems: noted here: what no honest pickle does.
    """

    def __init__(self, source: Source, limits: InspectionLimits, problems: list[str]) -> None:
        self.source = source
        self.limits = limits
        self.problems = problems
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.below = 0
        self.memo: dict[int, Any] = {}
        self.dense = 0
        self.sparse: set[int] = set()
        self.kept_text = 0

    def problem(self, text: str) -> None:
        """Note a problem, once."""
        if text not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)

    # -- stack, marks and memo -----------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Begin a group."""
        if len(self.marks) >= self.limits.max_objects // 10:
            raise Unfollowable("it nests too deeply")
        self.below += len(self.stack)
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """End a group, and return it."""
        items = self.stack
        self.stack = self.marks.pop()
        self.below -= len(self.stack)
        return items

    def pop(self) -> None:
        """Drop the top of the stack, or an empty group."""
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def put(self, index: int) -> None:
        """Keep the top of the stack. Which indexes are taken is known exactly, since later ones depend on it."""
        value = self.stack[-1]
        if index < 0:
            raise Unfollowable("it uses a negative memo index")
        if index == self.dense:
            self.dense += 1
        elif index > self.dense:
            self.sparse.add(index)
        while self.dense in self.sparse:
            self.sparse.discard(self.dense)
            self.dense += 1
        if isinstance(value, str):
            self.kept_text += len(value)
        full = len(self.memo) >= self.limits.max_objects
        if full and not isinstance(value, (str, Marker)):
            raise Unfollowable(f"it keeps more than {self.limits.max_objects} objects at once")
        if value is OPAQUE or full or (isinstance(value, str) and self.kept_text > _KEPT_TEXT):
            self.memo.pop(index, None)
        else:
            self.memo[index] = value

    def memoize(self) -> None:
        """Keep the top of the stack under the next index."""
        self.put(self.dense + len(self.sparse))

    def get(self, index: int) -> None:
        """Push what was kept; a value that does not matter where it was not kept."""
        if not (0 <= index < self.dense or index in self.sparse):
            raise Unfollowable(f"it takes {index} from its memo, which is not there")
        self.stack.append(self.memo.get(index, OPAQUE))

    def text(self, data: bytes | None, encoding: str = "utf-8", errors: str = "surrogatepass") -> None:
        """Push a text; one that is too long for a name does not matter."""
        if data is None or len(data) > _NAME or len(self.stack) + self.below > _DEEP:
            self.stack.append(OPAQUE)
            return
        value = str(data, encoding, errors)
        if value in ATTRIBUTES:
            self.problem(f"it names the attribute {value}")
        self.stack.append(value)

    def counted(self, width: int, *, text: bool = False, kept: bool = True) -> None:
        """Push what follows a length of `width` bytes."""
        length = int.from_bytes(self.source.read(width), "little")
        if text and length <= _NAME:
            data = self.source.read(length)
            if kept:
                self.text(data)
                return
            try:  # an 8-bit string of Python 2: read as ASCII, unless the reader says otherwise
                self.text(data, "ascii", "strict")
            except UnicodeDecodeError:
                self.stack.append(OPAQUE)
            return
        self.source.skip(length)
        self.stack.append(OPAQUE)

    # -- plain values --------------------------------------------------------------------------------------------------

    def push(self, value: Any) -> None:
        """Push a value."""
        self.stack.append(value)

    def line_number(self) -> None:
        """Push a number that is written as text."""
        line = self.source.line()
        digits = line.rstrip(b"L") if line is not None else b""
        self.stack.append(int(digits) if 0 < len(digits) <= 18 else OPAQUE)

    def line_index(self) -> int:
        """Return a memo index that is written as text."""
        line = self.source.line()
        if line is None or len(line) > 18:
            raise Unfollowable("it uses an impossible memo index")
        return int(line)

    def line_string(self) -> None:
        """Push an 8-bit string that is written with quotes."""
        line = self.source.line()
        if line is None or len(line) > _NAME or b"\\" in line:  # names have no escapes, and one that has is refused
            self.stack.append(OPAQUE)
            return
        try:
            self.text(line.strip()[1:-1], "ascii", "strict")
        except UnicodeDecodeError:
            self.stack.append(OPAQUE)

    def line_text(self) -> None:
        """Push a text that is written with escapes."""
        line = self.source.line()
        self.text(line, "raw-unicode-escape", "strict")

    def skip_line(self) -> None:
        """Push a number that does not matter."""
        self.source.line()
        self.stack.append(OPAQUE)

    def skip_bytes(self, count: int) -> None:
        """Push a value that does not matter."""
        self.source.skip(count)
        self.stack.append(OPAQUE)

    def number(self, width: int, *, signed: bool = False) -> int:
        """Return a number of `width` bytes."""
        return int.from_bytes(self.source.read(width), "little", signed=signed)

    def long(self, width: int) -> None:
        """Push a number of any length."""
        length = self.number(width)
        if length <= 8:
            self.stack.append(self.number(length, signed=True))
        else:
            self.skip_bytes(length)

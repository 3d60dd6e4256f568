"""Errors that cross from one process to another: class name, text and traceback text, never a pickled exception.

Errors of Tiffin keep their class, parts and plain facts. Others become a `RemoteError`, which is also of the nearest
builtin class that the original was of: `except ValueError` works whatever the back end. Classes are looked up in two
fixed tables; a name that is in neither imports nothing.
"""

from __future__ import annotations

import builtins
import contextlib
import traceback
from collections.abc import Mapping
from typing import Any

import tiffin.exceptions
from tiffin.exceptions import RemoteError, TiffinError

_TEXT = 1 << 16
"""Characters of a text or traceback that are sent at most."""

_TIFFIN = {
    name: kind
    for name, kind in vars(tiffin.exceptions).items()
    if isinstance(kind, type) and issubclass(kind, TiffinError)
}
# Without those that hold other errors, and those that mean something to the interpreter.
_UNFIT = (
    "StopIteration",
    "StopAsyncIteration",
    "BaseExceptionGroup",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeTranslateError",
)
_BUILTIN = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and kind is not Exception
    and not issubclass(kind, (Warning, *(getattr(builtins, unfit, Warning) for unfit in _UNFIT)))
}
_FACTS = (
    *("errno", "strerror", "filename", "filename2"),  # OSError
    *("name", "path", "obj"),  # ImportError, NameError, AttributeError; `obj` goes only if it is plain
    *("lineno", "offset", "text", "msg", "end_lineno", "end_offset", "print_file_and_line"),  # SyntaxError
)
"""Attributes of builtin errors that cross, as far as they are plain. `except OSError as e: e.errno` works anywhere."""
_mixed: dict[str, type[RemoteError]] = {}


class RemoteTraceback(Exception):
    """The traceback of an error in another process, shown as its cause."""

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def describe_error(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """Return the error as plain values. Does not keep its traceback alive."""
    kind = type(error)
    described: dict[str, Any] = {
        "builtin": next((base.__name__ for base in kind.__mro__ if base is _BUILTIN.get(base.__name__)), None),
    }
    if isinstance(error, TiffinError):
        known = next(base.__name__ for base in kind.__mro__ if base is _TIFFIN.get(base.__name__))
        facts = {name: fact for name, fact in vars(error).items() if _is_plain(fact) and name.isidentifier()}
        parts = {part: facts.pop(part, "") for part in ("what", "why", "fix")}
        described |= {"tiffin": known, **parts, "facts": facts}
    else:
        described |= {
            "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
            "text": _text_of(error),
            "traceback": "".join(traceback.format_exception(kind, error, error.__traceback__))[-_TEXT:],
            "facts": {name: fact for name in _FACTS if _is_short(fact := getattr(error, name, None))},
            "notes": [note[:_TEXT] for note in _notes_of(error)],
        }
    if error.__cause__ is not None and isinstance(error, TiffinError) and depth < 4:
        cause = error.__cause__
        if isinstance(cause, RemoteTraceback):
            described["remote"] = str(cause.args[0])[-_TEXT:]
        else:
            described["cause"] = describe_error(cause, depth + 1)
    return described


def rebuild_error(described: Mapping[str, Any], depth: int = 0) -> BaseException:
    """Return an error for what `describe_error` wrote. Tolerates anything in it that is not as expected."""
    error: BaseException
    known = _TIFFIN.get(str(described.get("tiffin")))
    builtin = str(described.get("builtin"))
    if known is None:
        name, text = str(described.get("type")), str(described.get("text"))
        written = str(described.get("traceback"))
        error = _remote_class(builtin)(
            f"{name}: {text}" if text else name, type_name=name, text=text, traceback_text=written
        )
        _restore(error, described)
        error.__cause__ = RemoteTraceback(written)
        return error
    facts = described.get("facts")
    facts = {str(name): fact for name, fact in facts.items()} if isinstance(facts, dict) else {}
    for reserved in ("what", "why", "fix", "self"):
        facts.pop(reserved, None)
    if issubclass(known, RemoteError):
        known = _remote_class(builtin)
    what, why, fix = (str(described.get(part, "")) for part in ("what", "why", "fix"))
    error = known(what, why=why, fix=fix, **facts)
    if isinstance(cause := described.get("cause"), dict) and depth < 4:
        error.__cause__ = rebuild_error(cause, depth + 1)
    elif "remote" in described:
        error.__cause__ = RemoteTraceback(str(described["remote"]))
    return error


def _notes_of(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [note for note in notes if type(note) is str][:100] if type(notes) is list else []


def _is_short(fact: object) -> bool:
    if type(fact) in (str, bytes):
        return len(fact) <= _TEXT  # type: ignore[arg-type]
    return type(fact) in (bool, int, float)


def _restore(error: BaseException, described: Mapping[str, Any]) -> None:
    """Give an error the facts and notes of the one that it stands for, as far as its class has a place for them."""
    facts = described.get("facts")
    for name, fact in facts.items() if isinstance(facts, dict) else ():
        if name in _FACTS and _is_short(fact) and hasattr(type(error), name) and name != "text":
            with contextlib.suppress(TypeError, AttributeError):  # its class may check what it is given
                setattr(error, name, fact)
    notes = described.get("notes")
    if isinstance(notes, list) and notes:
        vars(error)["__notes__"] = [str(note) for note in notes]


def _remote_class(builtin: str) -> type[RemoteError]:
    """Return a class that is a `RemoteError` and of the builtin class of that name, if it is in the table."""
    base = _BUILTIN.get(builtin)
    if base is None:
        return RemoteError
    mixed = _mixed.get(builtin)
    if mixed is None:
        members = {"__module__": RemoteError.__module__, "__doc__": RemoteError.__doc__}
        mixed = _mixed[builtin] = type("RemoteError", (RemoteError, base), members)
    return mixed


def _text_of(error: BaseException) -> str:
    try:
        return str(error)[:_TEXT]
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may raise anything, and must not hide the error
        return f"(its text cannot be made: {type(broken).__name__})"


def _is_plain(fact: object) -> bool:
    if type(fact) in (tuple, list):
        return all(type(item) in (type(None), bool, int, float, str) for item in fact)  # type: ignore[attr-defined]
    return type(fact) in (type(None), bool, int, float, str)

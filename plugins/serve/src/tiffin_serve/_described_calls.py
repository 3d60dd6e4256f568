"""The calls that a server's description names, as a client makes them: arguments to a request, an answer to a value."""

from __future__ import annotations

import inspect
import io
import json
import keyword
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tiffin.exceptions import TiffinError
from tiffin_serve._description import EXTENSION
from tiffin_serve._json_forms import write_json

_TYPES: Mapping[str, type] = {
    "integer": int,
    "number": float,
    "string": str,
    "boolean": bool,
    "object": dict,
}


class AnswerError(TiffinError):
    """A server answered a call with an error. Attributes: `status`, the HTTP status, and `retry_after`, seconds or `None`."""

    status: int
    retry_after: float | None


@dataclass(frozen=True)
class Described:
    """One call that a server describes.

    Attributes:
        group: what it is called on: a model's names, or none for a service's functions.
        name: the method's or function's name.
        path: where it is.
        media_type: of its body; empty where it takes none.
        gives: what its answers are, as `Descriptor.kind`.
        signature: what it is called with.
        text: what it says of itself.
    """

    group: tuple[str, ...]
    name: str
    path: str
    media_type: str
    several: bool
    gives: str
    signature: inspect.Signature
    text: str = field(repr=False)

    @property
    def streams(self) -> bool:
        """Whether it answers in parts."""
        return self.gives in ("events", "texts")

    def request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request, as httpx takes it.

        Raises:
            TypeError: the arguments are not those that the call takes.
        """
        given = self.signature.bind(*args, **kwargs).arguments
        if not self.media_type:
            return {}
        kind = self.media_type.partition(";")[0]
        if kind == "multipart/form-data":
            return {"files": {name: (name, *_part(value)) for name, value in given.items()}}
        value = dict(given) if self.several else next(iter(given.values()))
        content = write_json(value) if kind == "application/json" else _part(value)[0]
        return {"content": content, "headers": {"content-type": self.media_type}}

    def value(self, body: bytes) -> Any:
        """Return what an answer's body stands for."""
        if self.gives == "bytes":
            return body
        if self.gives == "text":
            return body.decode()
        found = json.loads(body)
        if self.gives == "array":
            return np.array(found)
        if self.gives in ("frame", "series"):
            import pandas

            return pandas.DataFrame(found) if self.gives == "frame" else pandas.Series(found)
        return found


def _part(value: Any) -> tuple[bytes, str]:
    """Return a value as the bytes of a part, and what they are."""
    if isinstance(value, bytes):
        return value, "application/octet-stream"
    if isinstance(value, str):
        return value.encode(), "text/plain; charset=utf-8"
    if hasattr(value, "read"):
        return bytes(value.read()), "application/octet-stream"
    if hasattr(value, "save"):
        into = io.BytesIO()
        value.save(into, format="PNG")
        return into.getvalue(), "image/png"
    return write_json(value), "application/json"


def read_description(document: Mapping[str, Any]) -> list[Described]:
    """Return the calls that an OpenAPI document of a server's names."""
    found = []
    for path, methods in document["paths"].items():
        described = methods.get("post", {})
        told = described.get(EXTENSION)
        if told is None:
            continue
        [(media_type, content)] = described.get("requestBody", {}).get("content", {"": {}}).items()
        schema = content.get("schema", {})
        model, _, name = described["operationId"].rpartition("/")
        found.append(
            Described(
                group=(told["group"], *told["names"]) if model else (),
                name=name,
                path=path,
                media_type=media_type,
                several=told["several"],
                gives=told["gives"],
                signature=_signature(schema, media_type, told),
                text=described.get("summary", ""),
            )
        )
    return found


def _signature(schema: Mapping[str, Any], media_type: str, told: Mapping[str, Any]) -> inspect.Signature:
    returned = {"array": np.ndarray, "text": str, "bytes": bytes, "texts": Iterator[str], "events": Iterator[Any]}
    parameters = []
    if told["several"]:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        schema = next(iter(schema.get("anyOf", [schema])))
        needed = schema.get("required", [])
        for name, one in sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in needed):
            if name.isidentifier() and not keyword.iskeyword(name):
                default = inspect.Parameter.empty if name in needed else ...
                parameters.append(inspect.Parameter(name, kind, annotation=_type(one), default=default))
    elif media_type:
        parameters.append(inspect.Parameter("value", inspect.Parameter.POSITIONAL_ONLY, annotation=_type(schema)))
    return inspect.Signature(parameters, return_annotation=returned.get(told["gives"], Any))


def _type(schema: Mapping[str, Any]) -> Any:
    return Any if schema.get("format") == "binary" else _TYPES.get(schema.get("type", ""), Any)


def check_answer(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise what an answer says went wrong, if it does."""
    if status < 400:
        return
    try:
        said = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        said = f"The server answered with status {status}"
    again = headers.get("retry-after", "")
    raise AnswerError(said, status=status, retry_after=float(again) if again.isdigit() else None)


class Events:
    """Items of server-sent events, of an answer's lines.

    Attributes:
        whole: whether the event `end` came.
    """

    def __init__(self) -> None:
        self.whole = False
        self._name, self._data = "", list[str]()

    def take(self, line: str) -> list[Any]:
        """Take in a line, and return the item that it ends, if it does.

        Raises:
            AnswerError: the server says that it failed.
        """
        if line:
            name, _, value = line.partition(": ")
            if name == "event":
                self._name = value
            elif name == "data":
                self._data.append(value)
            return []
        name, text = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        if name == "end":
            self.whole = True
            return []
        if name == "error":
            raise AnswerError(str(json.loads(text)["error"]), status=500, retry_after=None)
        try:
            return [json.loads(text)]
        except ValueError:
            return [text]  # of a function that yields texts as events

    def finish(self) -> None:
        """Raise if the stream is not whole."""
        if not self.whole:
            raise AnswerError("The answer broke off", why="The last event did not come", status=0, retry_after=None)


def items_of(described: Described, lines: Iterator[str], pieces: Iterator[str]) -> Iterator[Any]:
    """Yield the items of an answer in parts."""
    if described.gives == "texts":
        yield from pieces
        return
    events = Events()
    for line in lines:
        yield from events.take(line)
    events.finish()


async def async_items_of(
    described: Described, lines: AsyncIterator[str], pieces: AsyncIterator[str]
) -> AsyncIterator[Any]:
    """Yield the items of an answer in parts."""
    if described.gives == "texts":
        async for piece in pieces:
            yield piece
        return
    events = Events()
    async for line in lines:
        for item in events.take(line):
            yield item
    events.finish()


def write_stub(calls: list[Described], name: str) -> str:
    """Return a Python module with a class whose methods are these calls, for tools that check types.

    Args:
        calls: those of a service, or of one model.
        name: the class's.
    """
    lines = ["import typing", "from collections.abc import Iterator", "from typing import Any, Protocol", ""]
    lines += ["import numpy", "", "", f"class {name}(Protocol):"]
    for one in calls:
        parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *one.signature.parameters.values()]
        signature = one.signature.replace(parameters=parameters)
        lines.append(f"    def {one.name}{_written(signature)}: ...")
    return "\n".join([*lines, ""])


def _written(signature: inspect.Signature) -> str:
    text = str(signature).replace("collections.abc.Iterator", "Iterator").replace("typing.Any", "Any")
    return text.replace(" = Ellipsis", " = ...")

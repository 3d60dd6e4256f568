"""Descriptors of answers that come in parts, for functions that yield them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiffin_serve._descriptors import Descriptor
from tiffin_serve._errors import ServeError, as_request_error
from tiffin_serve._json_forms import write_json
from tiffin_serve._streams import END, EVENTS, event, failed_event


class Streamed(Descriptor):
    """What a function yields, part by part. Base class of the descriptors for that.

    Attributes:
        last: the part behind the last item; empty for none.
    """

    schema: Mapping[str, Any] = {"type": "string"}
    last = b""

    def read(self, body: bytes) -> Any:
        """Refuse to be an input."""
        raise ServeError(f"{self!r} describes an answer, and no input")

    def failed(self, error: Exception) -> bytes:
        """Return the last part where an item could not be made."""
        return f"\n[{as_request_error(error)}]\n".encode()


class TextStream(Streamed):
    """Text in UTF-8, sent as it is yielded. Where the function fails, a last line in brackets says so."""

    media_type = "text/plain; charset=utf-8"
    kind = "texts"

    def write(self, value: Any) -> bytes:
        """Return a piece of the text as bytes."""
        return str(value).encode()


@dataclass(frozen=True)
class Event:
    """One server-sent event, for a function that says more than its data.

    Attributes:
        data: a text, or a value that is sent as JSON.
        name: what happened; empty for a plain message.
        id: its id; empty for none.
    """

    data: Any
    name: str = ""
    id: str = ""


class ServerSentEvents(Streamed):
    """An event for each item: of a text its lines, of an `Event` what it says, of anything else its JSON.

    The event `end` comes behind the last one, the event `error` where the function failed.
    """

    media_type = EVENTS
    kind = "events"
    last = END

    def write(self, value: Any) -> bytes:
        """Return an item as an event."""
        told = value if isinstance(value, Event) else Event(value)
        return event(told.data if isinstance(told.data, str) else write_json(told.data), told.name, told.id)

    def failed(self, error: Exception) -> bytes:
        """Return the event for an error."""
        return failed_event(error)

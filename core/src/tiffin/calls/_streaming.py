"""The items of a stream, for a thread that asks for one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Protocol

Event = tuple[Any, BaseException | None, bool]
"""An item or a result, an error, and whether more follows."""


class Stream(Protocol):
    """A call that yields items when it is asked for them, and hands each over as an event."""

    def start(self) -> None:
        """Have it begin."""

    def request(self, count: int) -> None:
        """Ask for so many more items."""

    def abandon(self) -> None:
        """Make no more items. Repeatable."""


class Items:
    """The items of a stream. No generator: one that is interrupted may not come to its `finally`.

    Args:
        open_stream: returns the stream, not begun, given what takes its events.
        patience: returns the seconds to wait for the next item; `None` waits.
        timed_out: returns the error of a caller that has waited long enough.
    """

    def __init__(
        self,
        open_stream: Callable[[Callable[..., None]], Stream],
        patience: Callable[[], float | None],
        timed_out: Callable[[], Exception],
    ) -> None:
        events: SimpleQueue[Event] = SimpleQueue()
        self._events, self._patience, self._timed_out = events, patience, timed_out
        self._begun = self._ended = False
        self._stream = open_stream(lambda *event: events.put(event))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        more = False
        # Twice: an interrupt in the one leaves the other.
        try:
            try:
                if not self._begun:
                    self._begun = True
                    self._stream.start()
                self._stream.request(1)
                try:
                    item, error, more = self._events.get(timeout=self._patience())
                except Empty:
                    raise self._timed_out() from None
                if error is not None:
                    raise error
                if not more:
                    raise StopIteration
                return item
            except BaseException:
                more = False
                raise
            finally:
                if not more:
                    self.close()
        finally:
            if not more:
                self.close()

    def close(self) -> None:
        """Ask for no more items; the method's generator is closed. Repeatable."""
        self._ended = True
        if self._begun:
            self._stream.abandon()

    def __del__(self) -> None:
        if not self._ended:
            self.close()

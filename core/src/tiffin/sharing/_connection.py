"""Connections that carry many calls at once.

Whoever sends does so in its own thread, as far as the system takes it without waiting; the rest, and everything that is
received, is the loop thread's.

An exception from a signal handler may come between any two steps of a caller's thread. So there is no lock that it could
leave locked: what is to be sent lies in a deque, one thread at a time has the turn to send it, and each step that counts is
one operation in C, which is done or not done.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tiffin.calls import Timer
from tiffin.exceptions import FrameError
from tiffin.sharing._loop import Loop
from tiffin.wire import (
    HELLO,
    LIMITS,
    RELEASE,
    Agreement,
    Allowance,
    Frame,
    Limits,
    Link,
    SegmentPool,
    close_in_forks,
    encode_value,
    pass_descriptors,
    unsent,
)

logger = logging.getLogger("tiffin.runners")

_PARTS = 256
_FULL = 32 << 20
"""Bytes waiting to be sent from which on nothing more is read from a peer, until it takes what it asked for."""

_LEAST = 1 << 20
"""Bytes that a frame must bring, if its end does not come, while a connection is patient with it."""

Message = tuple[int, int, bytes, Sequence[Any]]
"""Kind, call id, header and buffers of a frame."""


class Connection:
    """One multiplexed connection.

    Args:
        loop: the loop that serves it.
        sock: a connected AF_UNIX stream socket; the connection owns it.
        received: called in the loop's thread with the frames that arrived together.
        closed: called once in the loop's thread, with the reason, when nothing more will arrive; `None` means that
            the peer closed it in order.
        pool: shared memory for what this side sends; `None` sends everything through the socket.
        limits: what to accept.
        memory: what large buffers that come through the socket are taken from; `None` sets no limit to all together.
        patience: seconds within which a frame that has begun must be there, or bring some bytes; `None` waits.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        received: Callable[[list[Frame]], None],
        closed: Callable[[BaseException | None], None],
        *,
        pool: SegmentPool | None,
        limits: Limits = LIMITS,
        memory: Allowance | None = None,
        patience: float | None = None,
    ) -> None:
        sock.setblocking(False)
        self._loop, self._sock, self._received, self._on_closed = loop, sock, received, closed
        self._memory, self._patience = memory, patience
        self._link = Link(
            self._releases_waiting, pool, limits, None if memory is None else self._allocate, believed=False
        )
        self._waiting_for = (0, 0)
        self._patient: Timer | None = None
        self._outbox: deque[_Parcel] = deque()
        self._outbox_size = 0
        self._turn: dict[int, Any] = {}
        self._watching = 0
        self._closed = False
        self._told = False
        close_in_forks(self)

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed

    @property
    def unread(self) -> int:
        """Bytes that the peer has not taken yet."""
        return self._outbox_size

    def start(self) -> None:
        """Begin to receive. Once, from any thread."""
        self._loop.call_soon(self._update)

    def send(self, messages: Sequence[Message], agreement: Agreement | None = None) -> None:
        """Send frames, in this order and together. From any thread; waits for nothing.

        On a closed connection the frames are dropped: whoever awaits an answer hears of the end through `closed`.

        Args:
            messages: the frames.
            agreement: which kinds of values they rely on; what is new in it goes out before them.
        """
        if messages and not self._closed:
            self._send(_Parcel(messages, agreement))

    def close(self, error: BaseException | None = None) -> None:
        """Close the connection; `closed` is called in the loop's thread. From any thread, repeatable."""
        self._closed = True
        self._loop.call_soon(lambda: self._end(error))

    def close_after_fork(self) -> None:
        """Close this process's copy of the socket."""
        self._closed = True
        self._sock.close()

    def _send(self, parcel: _Parcel) -> None:
        if self._memory is not None and self._outbox and self._pack(parcel):
            # Copied: a slice of a batch's results would keep the whole batch, for as long as the peer likes.
            for piece in parcel.pieces:
                piece.keep()
        self._outbox.append(parcel)
        self._take_turns()

    def _take_turns(self) -> None:
        """Send what waits, as far as the system takes it; another thread that is at it looks again when it is done."""
        me: list[bool] = []
        going = True
        while going and self._outbox:
            # Twice: an interrupt in the one leaves the other.
            try:
                try:
                    if self._turn.setdefault(0, me) is not me:
                        return
                    going = self._send_waiting()
                finally:
                    self._end_turn(me)
            finally:
                self._end_turn(me)

    def _end_turn(self, me: list[bool]) -> None:
        """Let the next one send. Repeatable."""
        if self._turn.get(0) is me:
            me.append(True)
            self._turn.pop(0, None)
        if me:
            if self._outbox or self._closed:
                self._loop.call_soon(self._update)
            me.clear()

    def _send_waiting(self) -> bool:
        """Send what waits; return whether there was no reason to stop. For the one whose turn it is."""
        while self._outbox:
            parcel = self._outbox[0]
            if self._closed or not (parcel.packed or self._pack(parcel)):
                return False
            while parcel.pieces:
                if not self._push(parcel.pieces[0]):
                    return False
                parcel.pieces.popleft()
            self._outbox.popleft()
        return True

    def _pack(self, parcel: _Parcel) -> bool:
        """Make bytes of a parcel's frames; return whether this thread could.

        What takes locks is left to the loop: the memory of a pool, and saying what is new.
        """
        agreement = parcel.agreement
        news = agreement is not None and agreement.has_news
        if news or any(self._link.shares(buffers) for _, _, _, buffers in parcel.messages):
            if not self._loop.is_mine:
                return False
            if agreement is not None:
                agreement.say(parcel.begin_with)
        pieces: list[_Piece] = []
        small: list[bytes] = []
        parts: list[bytes | memoryview] = []
        for kind, call, header, buffers in parcel.messages:
            more, passed = self._link.pack(kind, call, header, buffers)
            if passed:
                # Descriptors belong to the first byte that is sent with them, so such a frame goes by itself.
                pieces += [_Piece(_flush(parts, small), []), _Piece(more, passed)]
                parts, small = [], []
            elif len(more) == 1 and type(more[0]) is bytes:
                small.append(more[0])
            else:
                parts = [*_flush(parts, small), *more]
                small = []
        pieces.append(_Piece(_flush(parts, small), []))
        parcel.pieces = deque(pieces)
        parcel.packed = True
        parcel.messages = ()
        self._outbox_size += sum(len(part) for piece in pieces for part in piece.parts)
        return True

    def _push(self, piece: _Piece) -> bool:
        """Send what the system takes at once; return whether that was all."""
        try:
            while parts := piece.rest():
                # In one step with its count: nobody knows how much was sent if an interrupt comes between.
                piece.sent.extend(map(self._sock.sendmsg, (parts[:_PARTS],), (pass_descriptors(piece.descriptors),)))
                self._outbox_size -= piece.sent[-1]
                piece.close_descriptors()
        except BlockingIOError:
            if self._memory is not None:
                piece.keep()
            return False
        except OSError as error:
            self.close(error)
            return False
        return True

    def _releases_waiting(self) -> None:
        self._loop.call_soon(self._send_releases)

    def _send_releases(self) -> None:
        if self._link.releases and not self._closed:
            self._send(_Parcel([(RELEASE, lease, b"", ()) for lease in self._link.take_releases()]))

    def _update(self) -> None:
        """Watch for what is awaited now."""
        if self._told:
            self._let_go()
            return
        if self._outbox and not self._outbox[0].packed:
            self._take_turns()  # left for this thread
        events = 0
        if self._memory is None or self._outbox_size < _FULL:
            events |= selectors.EVENT_READ
        if self._outbox:
            events |= selectors.EVENT_WRITE
        if events != self._watching:
            self._watching = events
            self._loop.watch(self._sock, events, self._ready)

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._take_turns()
            self._update()
        if events & selectors.EVENT_READ and not self._told:
            try:
                frames = self._link.receive(self._sock)
            except BlockingIOError:
                return
            except EOFError:
                self._end(None)
                return
            except (FrameError, OSError) as error:
                self._end(error)
                return
            if self._patience is not None and self._waiting_for[1] == 0 and self._link.reader.unfinished:
                self._await_rest(self._patience)
            if frames:
                try:
                    self._received(frames)
                except Exception as error:
                    # Its calls would wait for ever.
                    self._end(error)
                    raise

    def _await_rest(self, patience: float) -> None:
        reader = self._link.reader
        self._waiting_for = reader.finished, reader.received
        self._patient = self._loop.call_later(patience, lambda: self._check_progress(patience))

    def _check_progress(self, patience: float) -> None:
        """Close a connection on which a frame was begun and does not go on: it holds memory, or descriptors."""
        reader = self._link.reader
        finished, received = self._waiting_for
        self._waiting_for = (0, 0)
        if not reader.unfinished:
            return
        reading = bool(self._watching & selectors.EVENT_READ)
        if reading and reader.finished == finished and reader.received - received < _LEAST:
            self._end(FrameError(f"A frame has not come to its end within {patience:g} s"))
        else:
            self._await_rest(patience)

    def _allocate(self, nbytes: int) -> Any:
        memory = self._memory
        assert memory is not None
        if not memory.take(nbytes):
            raise FrameError(
                f"There is no room for a buffer of {nbytes} bytes that a client sends",
                why=f"What all clients have sent takes {memory.taken} bytes, and {memory.limit} may",
            )
        try:
            array = np.empty(nbytes, np.uint8)
        except MemoryError as error:
            memory.give_back(nbytes)
            raise FrameError(f"There is no memory for a buffer of {nbytes} bytes that a client sends") from error
        weakref.finalize(array, memory.give_back, nbytes).atexit = False
        return array

    def _end(self, error: BaseException | None) -> None:
        if self._told:
            return
        self._told = self._closed = True
        if self._patient is not None:
            self._patient.cancel()  # it would keep this, and what has come, until then
        if self._watching:
            self._loop.watch(self._sock, 0, self._ready)
        self._let_go()
        self._on_closed(error)

    def _let_go(self) -> None:
        """Close the socket, once nobody is sending: its number may be another file's at once."""
        if self._turn.setdefault(0, self) is self:
            for parcel in self._outbox:
                for piece in parcel.pieces:
                    piece.close_descriptors()
            self._outbox.clear()
            self._outbox_size = 0
            self._sock.close()
            self._link.close()
            self._link.reader.let_go()


class _Piece:
    """Bytes to send, and the descriptors that go with the first of them."""

    __slots__ = ("descriptors", "parts", "sent")

    def __init__(self, parts: list[bytes | memoryview], descriptors: list[int]) -> None:
        self.parts, self.descriptors = parts, descriptors
        self.sent: list[int] = []

    def rest(self) -> list[bytes | memoryview]:
        """Return what is not sent yet."""
        if not self.sent:
            return self.parts
        sent = sum(self.sent)
        return [] if len(self.parts) == 1 and sent == len(self.parts[0]) else unsent(self.parts, sent)

    def keep(self) -> None:
        """Copy what is not sent yet, for as long as that takes."""
        self.parts, self.sent = [bytes(part) for part in self.rest()], []

    def close_descriptors(self) -> None:
        """Close them: they are sent, or will not be. Repeatable."""
        while self.descriptors:
            os.close(self.descriptors.pop())


class _Parcel:
    """Frames that go out together: as messages, and from when they are packed on as pieces."""

    __slots__ = ("agreement", "messages", "packed", "pieces")

    def __init__(self, messages: Sequence[Message], agreement: Agreement | None = None) -> None:
        self.messages, self.agreement = messages, agreement
        self.packed = False
        self.pieces: deque[_Piece] = deque()

    def begin_with(self, news: Mapping[str, Any]) -> None:
        """Have the peer hear of something before all else."""
        self.messages = [(HELLO, 1, *encode_value(news)), *self.messages]


def _flush(parts: list[bytes | memoryview], small: list[bytes]) -> list[bytes | memoryview]:
    """Return the parts followed by all small ones joined."""
    return [*parts, b"".join(small)] if small else parts

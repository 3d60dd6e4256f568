"""Which kinds of values may cross a connection: what both ends have said of them in HELLO frames, and nothing else.

Each end says which kinds it takes: those that it knows, and whose packages it has. Before an end sends values of a kind
for the first time, it announces that, and the other end imports the kind's package if it has to. So a frame with a call or
a result never causes an import, and can name nothing that its receiver has not offered itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from tiffin.exceptions import FrameError
from tiffin.values import Unsendable, ValueKind, make_ready, registry

logger = logging.getLogger("tiffin.runners")

_MANY = 10_000
"""Names that a peer may say."""


class Agreement:
    """What is agreed on one connection. Safe from several threads; a HELLO goes out before what relies on it."""

    def __init__(self) -> None:
        self.receives: dict[str, ValueKind] = {}
        """The kinds that the peer announced, and this end takes, by name."""
        self._offered: set[str] = set()
        self._theirs: frozenset[str] | None = None
        self._announced: set[str] = set()
        self._told = (-1, 0)
        self._lock = threading.RLock()

    def sends(self, kind: ValueKind) -> None:
        """Note that a value of this kind is about to be sent.

        Raises:
            Unsendable: the peer does not take such values.
        """
        name = kind.name
        if name in self._announced:
            return
        if name not in (self._theirs or ()):
            raise Unsendable(
                f"a value of the kind {name!r}",
                "The process at the other end does not know this kind: install there what brings it, and import its "
                "package there",
            )
        self._announced.add(name)

    def greeting(self) -> dict[str, Any]:
        """Return what to say at first. Who speaks first asks the plugins before; who has heard the other, in `hear`."""
        import tiffin.values.kinds  # noqa: F401 - registers them; a worker process makes its model without

        with self._lock:
            if self._theirs is None:
                registry.ask()
            self._told = self._state()
            return self._news()

    @property
    def has_news(self) -> bool:
        """Whether there is something that the peer has not heard yet."""
        return self._told != (registry.generation, len(self._announced))

    def say(self, send: Callable[[dict[str, Any]], None]) -> None:
        """Send what the peer has not heard yet, if there is anything: before the frame that relies on it."""
        if not self.has_news:
            return
        # Told only once it is sent, so that no other thread overtakes it.
        with self._lock:
            state = self._state()
            if self._told != state:
                send(self._news())
                self._told = state

    def _state(self) -> tuple[int, int]:
        return registry.generation, len(self._announced)

    def _news(self) -> dict[str, Any]:
        takes = registry.takes()
        self._offered |= set(takes)
        return {"takes": sorted(takes), "sends": sorted(self._announced)}

    def hear(self, said: Any) -> None:
        """Take in what the peer said; raises `FrameError` if it is none of that."""
        import tiffin.values.kinds  # noqa: F401 - as in `greeting`

        takes, sends = (_names(said, part) for part in ("takes", "sends"))
        with self._lock:
            self._theirs = frozenset(takes)
            if not self._theirs <= registry.named.keys():
                registry.ask()
            for name in sends:
                kind = registry.named.get(name)
                # What was not offered is not prepared for: only values of it will be refused.
                if kind is not None and name in self._offered and name not in self.receives:
                    try:
                        make_ready(kind)
                    except Exception:  # a package may fail in any way; calls without values of this kind must go on
                        logger.exception("values of the kind %r cannot be received", name)
                    else:
                        self.receives[name] = kind


def _names(said: Any, part: str) -> list[str]:
    names = said.get(part) if isinstance(said, dict) else None
    if (
        not isinstance(names, list)
        or len(names) > _MANY
        or not all(isinstance(name, str) and len(name) <= 1000 for name in names)
    ):
        raise FrameError("A peer says which kinds of values it takes and sends as two lists of names")
    return names

"""How long to wait before a request is tried again, and how often."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable

FIRST = 0.25
"""Seconds before the second try at most; each further wait may be twice as long."""
MAX_WAIT = 30.0
"""Seconds that a registry may ask to wait: if it wants more, its refusal stands."""
MAX_TOTAL = 90.0
"""Seconds that one operation waits altogether."""


class Waiting:
    """The waits of one operation.

    Args:
        retries: how often it is tried again.
        sleep: waits for some seconds.
        draw: returns a random number from 0 to 1, so that many clients do not come back at one moment.
    """

    def __init__(self, retries: int, sleep: Callable[[float], object], draw: Callable[[], float]) -> None:
        self._left = retries
        self._sleep = sleep
        self._draw = draw
        self._next = FIRST
        self._total = 0.0
        self.tries = 1

    def again(self, after: str | None = None) -> bool:
        """Wait before the next try.

        Args:
            after: the answer's Retry-After header, if it has one.

        Returns:
            Whether there is a next try; if not, nothing was waited for.
        """
        wanted = retry_after(after)
        wait = self._next * (0.5 + self._draw() / 2) if wanted is None else wanted
        if not self._left or wait > MAX_WAIT or self._total + wait > MAX_TOTAL:
            return False
        self._left -= 1
        self._next *= 2
        self._total += wait
        self.tries += 1
        self._sleep(wait)
        return True


def retry_after(text: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3); `None` where it says nothing readable."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(moment.timestamp() - time.time(), 0.0)

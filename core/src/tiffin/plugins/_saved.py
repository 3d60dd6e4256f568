"""What an adapter's `save` may say besides writing files: changed options, what is lost, or that it declines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tiffin.info import ModelOptions


class NotMine(Exception):
    """Raised by an adapter's `save`, before it writes anything: another adapter is to store this object.

    The adapter of the next nearest claim is asked. Where the adapter was asked for by name, the save is refused, and the
    text of this is the reason that the user reads.
    """


@attrs.frozen(kw_only=True)
class Saved:
    """What an adapter's `save` may return.

    Attributes:
        options: changed options, which are recorded and come back at `load`; of a mapping, those that it does not name stay
            as they are, and with `None` all.
        lost: what the written files do not keep of the object, each as a phrase that the user reads in a `NotKeptWarning`.
    """

    options: ModelOptions | Mapping[str, Any] | None = None
    lost: Sequence[str] = ()

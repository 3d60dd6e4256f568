"""Values of a third party's: token ids of texts, which merge by padding and cross to worker processes."""

import numpy as np

from tiffin import hookimpl
from tiffin.values import ValueKind


class Tokens:
    """Ids of texts, one row for each; a shorter text ends in zeros."""

    def __init__(self, ids):
        self.ids = np.asarray(ids)


class TokensKind(ValueKind):
    name, types = "tiffin_tokens.Tokens", (Tokens,)

    def count(self, value, axis):
        return len(value.ids)

    def key(self, value, axis):  # not the width: join pads
        return value.ids.dtype

    def join(self, values, axis):
        width = max(value.ids.shape[1] for value in values)
        return Tokens(np.vstack([np.pad(v.ids, ((0, 0), (0, width - v.ids.shape[1]))) for v in values]))

    def cut(self, value, start, stop, axis):
        return Tokens(value.ids[start:stop].copy())

    def send(self, value):
        return value.ids

    def receive(self, parts):
        return Tokens(parts)


@hookimpl
def values():
    return [TokensKind()]

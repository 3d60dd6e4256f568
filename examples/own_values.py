"""Values of your own: ragged token ids, which merge by padding and cross to worker processes."""

import numpy as np

import tiffin
from tiffin.values import ValueKind


class Tokens:
    """Ids of texts, one row for each; a shorter text ends in zeros."""

    def __init__(self, ids):
        self.ids = np.asarray(ids)


class TokensKind(ValueKind):
    name, types = "own_values.Tokens", (Tokens,)

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


class TokensPlugin:
    """In a package, the function `values` of a module that stands in the entry-point group `tiffin.plugins`."""

    @tiffin.hookimpl
    def values(self):
        return [TokensKind()]

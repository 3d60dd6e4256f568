"""The learned cost of a batch: how long a method takes for n rows. Learned from every batch as it runs; no training."""

from __future__ import annotations

FORGET = 0.95
"""Weight that a batch keeps with each later one: the last twenty or so decide."""

CLIP = 4.0
"""A batch that took longer than this many times the estimate counts as if it had taken just that long."""

SETTLED = 5
"""Batches after which the estimate is good enough to clip by."""

LEAST_MARGIN, MOST_MARGIN = 0.1, 0.25


class Cost:
    """A line through (rows, seconds) by least squares, in which older batches weigh less.

    Never extrapolates: beyond the sizes seen lately, the cost of the nearest one counts.
    """

    __slots__ = ("_error", "_largest", "_n", "_nn", "_nt", "_smallest", "_t", "_weight", "count", "intercept", "slope")

    def __init__(self) -> None:
        self.count = 0
        self.intercept = 0.0
        self.slope = 0.0
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self._smallest = self._largest = 0.0
        self._error = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """Take in one batch of this many rows, which took this long."""
        if self.count:
            estimate = self.estimate(rows)
            if self.count >= SETTLED and seconds > CLIP * estimate > 0:
                seconds = CLIP * estimate
            if estimate > 0 and self._smallest <= rows <= self._largest:
                self._error += 0.1 * (abs(seconds - estimate) / estimate - self._error)
            # The range seen shrinks slowly towards what comes, so that sizes of long ago are no ground to judge by.
            self._smallest = min(rows, self._smallest + 0.02 * (rows - self._smallest))
            self._largest = max(rows, self._largest + 0.02 * (rows - self._largest))
        else:
            self._smallest = self._largest = rows
        self.count += 1
        self._weight = FORGET * self._weight + 1
        self._n = FORGET * self._n + rows
        self._t = FORGET * self._t + seconds
        self._nn = FORGET * self._nn + rows * rows
        self._nt = FORGET * self._nt + rows * seconds
        spread = self._weight * self._nn - self._n * self._n
        slope = (self._weight * self._nt - self._n * self._t) / spread if spread > 1e-6 * self._nn else 0.0
        intercept = (self._t - slope * self._n) / self._weight
        # Neither part can be negative; noise can make it seem so.
        if slope < 0:
            slope, intercept = 0.0, self._t / self._weight
        elif intercept < 0:
            slope, intercept = self._nt / self._nn, 0.0
        self.slope, self.intercept = slope, intercept

    def estimate(self, rows: float) -> float:
        """Return the seconds a batch of this many rows takes; 0 for no rows, and while nothing is known."""
        if rows <= 0:
            return 0.0
        smallest, largest = self._smallest, self._largest
        return self.intercept + self.slope * (smallest if rows < smallest else largest if rows > largest else rows)

    @property
    def margin(self) -> float:
        """How far to distrust an estimate, relative: twice the mean error, between 0.1 and 0.25."""
        return min(MOST_MARGIN, max(LEAST_MARGIN, 2 * self._error))

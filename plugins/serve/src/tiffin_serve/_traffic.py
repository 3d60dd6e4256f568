"""Counts of what was answered, for whoever watches the server."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets, seconds."""


class Traffic:
    """Counts answers by path and status, and how long they took.

    Attributes:
        answers: (path, status) → count; the path is empty where there is nothing.
        seconds: path → counts in the buckets, with one beyond the last bound.
        sums: path → seconds, all together.
    """

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, list[int]] = {}
        self.sums: dict[str, float] = {}

    def note(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = path, status
        self.answers[key] = self.answers.get(key, 0) + 1
        buckets = self.seconds.get(path)
        if buckets is None:
            buckets = self.seconds[path] = [0] * (len(BOUNDS) + 1)
            self.sums[path] = 0.0
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self.sums[path] += seconds

    def text(self) -> str:
        """Return the counts in Prometheus' text format, version 0.0.4."""
        lines = ["# TYPE tiffin_http_answers_total counter\n"]
        for (path, status), count in self.answers.items():
            lines.append(f'tiffin_http_answers_total{{path="{path}",status="{status}"}} {count}\n')
        lines.append("# TYPE tiffin_http_seconds histogram\n")
        for path, buckets in self.seconds.items():
            below = 0
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], buckets, strict=True):
                below += count
                lines.append(f'tiffin_http_seconds_bucket{{path="{path}",le="{bound}"}} {below}\n')
            lines.append(f'tiffin_http_seconds_sum{{path="{path}"}} {self.sums[path]}\n')
            lines.append(f'tiffin_http_seconds_count{{path="{path}"}} {below}\n')
        return "".join(lines)

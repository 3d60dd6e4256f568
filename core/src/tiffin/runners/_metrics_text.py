"""Counters and histograms as text, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of the text."""

_GAUGES = ("workers", "spares", "busy", "waiting_rows")


def metrics_text(*metrics: Mapping[str, Any], prefix: str = "tiffin") -> str:
    """Return what `Runner.metrics()` says of one or more runners in Prometheus' text format, version 0.0.4.

    Counters end in `_total`, histograms have cumulated buckets; all have the labels `runner` and `method`. How many workers
    are well, busy and spare, how many rows wait, and whether calls are taken, are gauges with the label `runner`.

    Args:
        metrics: what `metrics()` of each runner, or attached runner, returned; no two of one name.
        prefix: what the names begin with.
    """
    lines: dict[str, list[str]] = {}
    for told in metrics:
        runner = f'runner="{_escaped(told["runner"])}"'
        for name in _GAUGES:
            lines.setdefault(f"{prefix}_runner_{name} gauge", []).append(f"{{{runner}}} {told[name]}")
        running = int(told["state"] == "running")
        lines.setdefault(f"{prefix}_runner_running gauge", []).append(f"{{{runner}}} {running}")
        for method, counted in told["methods"].items():
            labels = f'{runner},method="{_escaped(method)}"'
            for name, value in counted.items():
                if isinstance(value, Mapping) and "bounds" in value:
                    lines.setdefault(f"{prefix}_{name} histogram", []).extend(_histogram(value, labels))
                elif name == "waiting_rows":
                    lines.setdefault(f"{prefix}_method_{name} gauge", []).append(f"{{{labels}}} {value}")
                elif isinstance(value, int):
                    lines.setdefault(f"{prefix}_{name}_total counter", []).append(f"{{{labels}}} {value}")
    return "".join(
        f"# TYPE {family}\n" + "".join(f"{family.split()[0]}{line}\n" for line in group)
        for family, group in lines.items()
    )


def _histogram(value: Mapping[str, Any], labels: str) -> Iterator[str]:
    for bound, count in zip([*map(float, value["bounds"]), "+Inf"], accumulate(value["counts"]), strict=True):
        yield f'_bucket{{{labels},le="{bound}"}} {count}'
    yield f"_sum{{{labels}}} {value['sum']}"
    yield f"_count{{{labels}}} {value['count']}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

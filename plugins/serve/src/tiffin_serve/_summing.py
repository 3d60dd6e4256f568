"""Counts of several processes as one."""

from __future__ import annotations

from collections.abc import Iterable


def sum_texts(texts: Iterable[str]) -> str:
    """Return metrics in Prometheus' text format, the values of equal lines added up.

    Args:
        texts: of counters, histograms, and gauges that count something; each as `Traffic.text` writes it.
    """
    families: dict[str, dict[str, float]] = {}
    for text in texts:
        lines: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("#"):
                lines = families.setdefault(line, {})
            else:
                key, _, value = line.rpartition(" ")
                lines[key] = lines.get(key, 0.0) + float(value)
    return "".join(
        f"{head}\n" + "".join(f"{key} {value:.15g}\n" for key, value in lines.items())
        for head, lines in families.items()
    )

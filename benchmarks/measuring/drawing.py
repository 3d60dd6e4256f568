"""Draws what `curves` has measured. A program of its own, for the environment that has matplotlib.

Usage: python drawing.py FILE.svg < measured.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from matplotlib import pyplot, rcParams

# Text as text, and nothing in the file that differs from run to run without being measured.
rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tiffin", "font.size": 9})


def draw(found: Mapping[str, Any], target: str) -> None:
    """Draw one row of panels for each model."""
    figure, panels = pyplot.subplots(
        len(found), 2, figsize=(8.5, 3.2 * len(found)), squeeze=False, layout="constrained"
    )
    for (title, measured), (left, right) in zip(found.items(), panels, strict=True):
        for number, (name, curve) in enumerate(measured["curves"].items()):
            colour, width = f"C{number}", 2.0 if name == "tiffin" else 1.2
            count = measured["callers"][: len(curve["throughput"])]
            left.plot(count, curve["throughput"], color=colour, linewidth=width, marker=".", label=name)
            right.plot(count, curve["median"], color=colour, linewidth=width, marker=".", label=name)
            right.plot(count, curve["p99"], color=colour, linewidth=width / 2, linestyle=":")
        left.set(title=f"{title}: throughput", ylabel="share of the bare model in full batches", xlabel="callers")
        left.set(ylim=(0, None))
        right.set(title=f"{title}: latency", ylabel="times of one full batch", xlabel="callers", yscale="log")
        for panel in (left, right):
            panel.set_xscale("log", base=2)
            panel.set_xticks(measured["callers"], [str(count) for count in measured["callers"]])
            panel.grid(alpha=0.3)
        right.plot([], [], color="black", label="median")
        right.plot([], [], color="black", linewidth=0.8, linestyle=":", label="99th percentile")
        right.legend(frameon=False, fontsize=8)
    figure.savefig(target, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])

"""The pages about runners and what the code does say the same."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest

from inside.batching import _chunks as chunks
from inside.sharing import _connection, _socket_paths
from inside.wire import _codec as _values
from inside.wire import _shared_memory
from inside.workers import _worker_process
from tiffin.batching import Counters
from tiffin.runners import Runnable, Runner
from tiffin.wire import LIMITS

DOCS = Path(__file__).resolve().parent.parent / "docs"
RUNNERS = (DOCS / "reference" / "python" / "runners.md").read_text(encoding="utf-8")
PROTOCOL = (DOCS / "reference" / "runner-protocol.md").read_text(encoding="utf-8")
WATCHING = (DOCS / "how-to" / "watch-a-runner.md").read_text(encoding="utf-8")


class Model(Runnable):
    @Runnable.method(batchable=True)
    def predict(self, x: numpy.ndarray) -> numpy.ndarray:
        return x


def rows(text: str) -> list[str]:
    """Return the names in the first column of every table."""
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_every_metric_is_on_the_page() -> None:
    """The tables have what `metrics()` returns, in its order, and nothing else."""
    with Runner(Model) as runner:
        metrics = runner.metrics()
    section = RUNNERS.partition("## Metrics")[2].partition("## Resources")[0]
    assert rows(section) == [*metrics, *metrics["methods"]["predict"]]
    for name in Counters.HISTOGRAMS:
        assert f"| `{name}` | histogram: " in section


def test_every_reason_why_a_batch_leaves_is_explained() -> None:
    """Whatever stands in an explanation can be looked up."""
    reasons = {value for name, value in vars(chunks).items() if name.startswith("RELEASED_")}
    assert {reason for reason in reasons if f"| {reason} |" not in WATCHING} == set()


@pytest.mark.parametrize(
    "said",
    [
        f"names, shapes | {LIMITS.header >> 20} MiB |",
        f"long strings | {LIMITS.buffers} |",
        f"all its buffers | {LIMITS.total >> 30} GiB |",
        f"depth of nesting | {_values.MAX_DEPTH} |",
        f"that come along | {LIMITS.descriptors} |",
        f"Arrays from {_shared_memory.THRESHOLD >> 10} KiB on",
        f"needed for {_shared_memory.IDLE:.0f} seconds",
        f"up to {_worker_process._WINDOW} items ahead",
        f"from {_connection._FULL >> 20} MiB of unread answers on",
    ],
)
def test_the_limits_on_the_page_are_those_of_the_code(said: str) -> None:
    """A reader can rely on the numbers."""
    assert said in " ".join(PROTOCOL.split())


def test_the_length_of_a_sockets_path_is_that_of_the_code() -> None:
    """The number is the one of this system."""
    assert str(_socket_paths._LONGEST) in PROTOCOL
